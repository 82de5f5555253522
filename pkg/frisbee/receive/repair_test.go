package receive

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// file is the bytes of a file of blocks that are content.
func file(n int64) []byte {
	var all []byte
	for off := int64(0); off < n; off += 8192 {
		all = append(all, content(int(off/wire.ChunkSize), int(off%wire.ChunkSize/8192), 8192)...)
	}
	return all[:n]
}

func TestMissing(t *testing.T) {
	const size = 3*wire.ChunkSize + 10_000
	for _, eager := range []bool{false, true} {
		c, err := New(Options{Geometry: wire.Jumbo, Bytes: size, Eager: eager, Want: func(k int32) bool { return k != 1 }})
		if err != nil {
			t.Fatal(err)
		}
		s := &script{t: t, c: c}
		want := func(ranges ...extent.Range) {
			t.Helper()
			if diff := cmp.Diff(ranges, c.Missing().Ranges()); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		}
		want(extent.Range{Off: 0, End: wire.ChunkSize}, extent.Range{Off: 2 * wire.ChunkSize, End: size})
		s.blocks(0, 1, 127)
		s.blocks(2, 0, 64)
		want(extent.Range{Off: 0, End: 8192}, extent.Range{Off: 2*wire.ChunkSize + wire.ChunkSize/2, End: size})
		s.blocks(0, 0, 1)
		s.blocks(2, 64, 64)
		s.blocks(3, 0, 1)
		want(extent.Range{Off: 3*wire.ChunkSize + 8192, End: size})
		s.blocks(3, 1, 1)
		want()
	}
}

// Everything that multicast has not brought comes otherwise, in pieces as they
// happen to come.
func TestSupply(t *testing.T) {
	const size = 5*wire.ChunkSize + 10_000
	data := file(size)
	for _, eager := range []bool{false, true} {
		c, err := New(Options{Geometry: wire.Jumbo, Bytes: size, Eager: eager, Buffers: 2})
		if err != nil {
			t.Fatal(err)
		}
		s := &script{t: t, c: c}
		s.blocks(2, 7, 100)
		s.blocks(5, 0, 1)
		var got []int32
		for ranges := c.Missing().Ranges(); len(ranges) > 0; {
			r := ranges[0]
			if ranges = ranges[1:]; len(ranges) == 0 {
				ranges = c.Missing().Ranges() // of chunks that had to give way
			}
			off, end := r.Off, r.Off
			for off < r.End {
				end = min(end+50_000, r.End)
				n := c.Supply(s.now, off, data[off:end])
				off += int64(n)
				if whole := end-off >= 8192 || end == r.End && off < r.End; whole {
					if c.empty != 0 && c.Lacking() > 0 {
						t.Fatalf("took %d bytes and left %d, with %d buffers empty", n, end-off, c.empty)
					}
					chunks := s.take(true)
					if len(chunks) == 0 {
						t.Fatalf("no buffer, and no chunk is complete, at %d", off)
					}
					got = append(got, chunks...)
				}
			}
		}
		got = append(got, s.take(true)...)
		slices.Sort(got)
		if diff := cmp.Diff([]int32{0, 1, 2, 3, 4, 5}, got); diff != "" {
			t.Errorf("complete chunks (-want +got):\n%s", diff)
		}
		if n := c.Counters().Supplied; !c.Done() || n < 642-101 {
			t.Errorf("supplied %d blocks, done: %v", n, c.Done())
		}
		if n := c.Supply(s.now, 0, data); n != size {
			t.Errorf("took %d of %d bytes that are not needed", n, size)
		}
	}
}

func TestSupplyBadly(t *testing.T) {
	s := start(t, 1.5, Options{})
	for _, off := range []int64{-8192, 1, 8191, 2 * wire.ChunkSize, 1 << 62} {
		if n := s.c.Supply(0, off, make([]byte, 3*8192)); n != 0 {
			t.Errorf("took %d bytes at %d", n, off)
		}
	}
	if n := s.c.Supply(0, wire.ChunkSize*3/2-8192, make([]byte, 9000)); n != 8192 {
		t.Errorf("took %d bytes at the end of the file", n)
	}
	if n := s.c.Supply(0, 0, make([]byte, 8191)); n != 0 {
		t.Errorf("took %d bytes of less than a block", n)
	}
}

// What arrives by multicast meanwhile is not in the way of what is supplied.
func TestSupplyWhileAsked(t *testing.T) {
	s := start(t, 2, Options{Eager: true})
	s.silence(10 * ms)
	s.want("start", "R0 128, R1 128")
	data := file(2 * wire.ChunkSize)
	s.c.Supply(s.now, 0, data[:wire.ChunkSize/2])
	s.silence(10 * ms)
	s.want("it was asked for as a whole", "")
	s.blocks(0, 0, 128)
	s.c.Supply(s.now, wire.ChunkSize, data[wire.ChunkSize:])
	if diff := cmp.Diff([]int32{0, 1}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
	s.silence(time.Second)
	s.want("all is there", "")
}

func TestAgain(t *testing.T) {
	for _, eager := range []bool{false, true} {
		s := start(t, 3, Options{Eager: eager})
		for k := range 3 {
			s.blocks(k, 0, 128)
		}
		s.sent()
		s.c.Again(1)
		s.c.Again(1)
		s.c.Again(-1)
		s.c.Again(3)
		if s.c.Lacking() != 1 {
			t.Errorf("lacks %d chunks; want 1", s.c.Lacking())
		}
		s.take(true)
		s.silence(time.Second)
		if s.sent() == "" {
			t.Error("does not ask for it")
		}
		s.blocks(1, 0, 128)
		if diff := cmp.Diff([]int32{1}, s.take(true)); diff != "" {
			t.Errorf("complete chunks (-want +got):\n%s", diff)
		}
		if !s.c.Done() {
			t.Error("not done")
		}
	}
}
