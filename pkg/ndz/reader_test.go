package ndz

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// TestOrderAny adds chunks as a multicast brings them.
func TestOrderAny(t *testing.T) {
	for version := MinVersion; version <= MaxVersion; version++ {
		b := image(t, version)
		headers := make([]Header, 3)
		for i := range headers {
			var err error
			if headers[i], err = ParseHeader(b[i*ChunkSize:]); err != nil {
				t.Fatal(err)
			}
		}
		for _, order := range [][]int64{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {2, 0, 2, 0, 1}, {0, 2, 1, 1}} {
			c := NewOrder(Options{}, 3)
			for _, i := range order {
				if errors.Is(c.End(), nil) {
					t.Fatalf("version %d: complete before chunk %d of %v", version, i, order)
				}
				if err := c.Add(i, &headers[i]); err != nil {
					t.Errorf("version %d, order %v: %v", version, order, err)
				}
				if order[len(order)-1] == i {
					break
				}
			}
		}

		// A neighbour that does not fit is found from either side.
		for _, order := range [][]int64{{0, 1}, {1, 0}, {1, 2}, {2, 1}} {
			bad := headers[1]
			bad.First, bad.Last = bad.First-9, bad.Last+9
			c := NewOrder(Options{}, 3)
			var err error
			for _, i := range order {
				h := &headers[i]
				if i == 1 {
					h = &bad
				}
				if e := c.Add(i, h); e != nil {
					err = e
				}
			}
			if !errors.Is(err, ErrOrder) {
				t.Errorf("version %d, order %v, overlap: %v, want %v", version, order, err, ErrOrder)
			}
		}
		// So is a hole, which only version 1 cannot know of.
		for _, order := range [][]int64{{0, 1}, {1, 0}, {1, 2}, {2, 1}} {
			small := headers[1]
			small.First, small.Last = small.First+1, small.Last-1
			c := NewOrder(Options{}, 3)
			var err error
			for _, i := range order {
				h := &headers[i]
				if i == 1 {
					h = &small
				}
				err = c.Add(i, h)
			}
			if errors.Is(err, ErrOrder) != (version > 1) {
				t.Errorf("version %d, order %v, hole: %v, want %v", version, order, err, ErrOrder)
			}
		}
		c := NewOrder(Options{}, 3)
		if err := c.Add(0, &headers[0]); err != nil {
			t.Fatal(err)
		}
		other := headers[0]
		other.Last--
		if err := c.Add(0, &other); !errors.Is(err, ErrChanged) {
			t.Errorf("version %d, another header at the same place: %v, want %v", version, err, ErrChanged)
		}
		h := headers[0]
		h.Index = 3
		if err := c.Add(3, &h); !errors.Is(err, ErrOrder) {
			t.Errorf("version %d, chunk 3 of 3: %v, want %v", version, err, ErrOrder)
		}
		if err := c.End(); !errors.Is(err, ErrTruncated) {
			t.Errorf("version %d, one of 3 chunks: %v, want %v", version, err, ErrTruncated)
		}
	}
}

func TestReaderSlow(t *testing.T) {
	b := image(t, 3)
	r := NewReader(iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b))), Options{})
	var d disk
	if err := r.Each(t.Context(), d.put); err != nil || d.wrote.Len() != 20*Sector || r.Size() != 64*Sector {
		t.Errorf("%v, %v of %d bytes", err, d.wrote, r.Size())
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("behind the end: %v, want %v", err, io.EOF)
	}

	boom := errors.New("boom")
	r = NewReader(io.MultiReader(bytes.NewReader(b[:second+7]), iotest.ErrReader(boom)), Options{})
	if err := r.Each(t.Context(), new(disk).put); !errors.Is(err, boom) {
		t.Errorf("%v, want %v", err, boom)
	}
	if _, err := r.Next(); !errors.Is(err, boom) {
		t.Errorf("afterwards: %v, want %v", err, boom)
	}
}

func TestEachStops(t *testing.T) {
	b := image(t, 3)
	m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	refuse := func(int64, []byte) error { return boom }
	if err := m.Each(t.Context(), 0, 3, refuse); !errors.Is(err, boom) {
		t.Errorf("image: %v, want %v", err, boom)
	}
	if err := NewReader(bytes.NewReader(b), Options{}).Each(t.Context(), refuse); !errors.Is(err, boom) {
		t.Errorf("stream: %v, want %v", err, boom)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err = m.Each(ctx, 0, 3, func(int64, []byte) error { cancel(boom); return nil })
	if !errors.Is(err, boom) {
		t.Errorf("cancelled: %v, want %v", err, boom)
	}
	if _, err := Open(ctx, bytes.NewReader(b), int64(len(b)), Options{}); !errors.Is(err, boom) {
		t.Errorf("open when cancelled: %v, want %v", err, boom)
	}
	if _, err := m.View(ctx).ReadAt(make([]byte, 9), 0); !errors.Is(err, boom) {
		t.Errorf("disk when cancelled: %v, want %v", err, boom)
	}

	// A part of the image.
	var d disk
	if err := m.Each(t.Context(), 1, 2, d.put); err != nil || !d.wrote.Equal(extent.NewSet(extent.Range{Off: 20 * Sector, End: 24 * Sector})) {
		t.Errorf("chunk 1: %v, %v", d.wrote, err)
	}
	if from, to := m.Holding(extent.Range{Off: 17 * Sector, End: 32*Sector + 1}); from != 1 || to != 3 {
		t.Errorf("chunks %d to %d hold sectors 17 to 33, want 1 to 3", from, to)
	}
}

// TestChanged changes an image behind the back of those who opened it.
func TestChanged(t *testing.T) {
	b := image(t, 3)
	m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b[second+36]++ // the region: still good by itself
	if _, err := m.Header(1); !errors.Is(err, ErrChanged) {
		t.Errorf("header: %v, want %v", err, ErrChanged)
	}
	var d disk
	if err := m.Each(t.Context(), 1, 2, d.put); !errors.Is(err, ErrChanged) || !d.wrote.Empty() {
		t.Errorf("each: %v, %v used, want %v", err, d.wrote, ErrChanged)
	}
	if _, err := m.View(t.Context()).ReadAt(make([]byte, 9), 20*Sector); !errors.Is(err, ErrChanged) {
		t.Errorf("disk: %v, want %v", err, ErrChanged)
	}
	if h, err := m.Header(2); err != nil || h.First != 32 {
		t.Errorf("header 2: %v, %v", h, err)
	}
}

// TestLarge expands a chunk to 200 MiB, in pieces, and finds damage at its end.
func TestLarge(t *testing.T) {
	const sectors = 200 << 20 / Sector
	data := make([]byte, sectors*Sector)
	for i := 0; i < len(data); i += 1 << 20 {
		data[i] = byte(i>>20) + 1
	}
	h := Header{Version: 3, Last: sectors + 7, Regions: []Region{{1, 3}, {7, sectors - 3}}}
	b := makeChunk(t, h, data)
	read := func(b []byte) (n int64, most int, err error) {
		var total atomic.Int64
		err = NewReader(bytes.NewReader(b), Options{Workers: 1}).Each(t.Context(), func(off int64, p []byte) error {
			most = max(most, len(p))
			from := off - Sector
			if off >= 7*Sector {
				from = off - 4*Sector
			}
			if !bytes.Equal(p, data[from:][:len(p)]) {
				return errors.New("other data")
			}
			total.Add(int64(len(p)))
			return nil
		})
		return total.Load(), most, err
	}
	if n, most, err := read(b); err != nil || n != sectors*Sector || most > pieceSize {
		t.Errorf("%d bytes in pieces of up to %d, %v", n, most, err)
	}

	// A disk is read back and forth.
	m, err := Open(t.Context(), bytes.NewReader(b), ChunkSize, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := m.View(t.Context())
	p := make([]byte, 9000)
	for range 6 {
		off := rand.Int64N(sectors*Sector - 9000)
		if _, err := v.ReadAt(p, off+7*Sector); err != nil || !bytes.Equal(p, data[off+3*Sector:][:len(p)]) {
			t.Errorf("disk at %d: %v, or other data", off, err)
		}
	}

	size := int(b[4]) | int(b[5])<<8 | int(b[6])<<16
	b[HeaderSize+size-1] ^= 1
	if n, _, err := read(b); !errors.Is(err, ErrData) || n > (sectors*Sector-1)/pieceSize*pieceSize {
		t.Errorf("wrong checksum: %d bytes, %v, want %v before the last piece", n, err, ErrData)
	}
}

func TestSniff(t *testing.T) {
	b := image(t, 3)
	for _, tt := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"image", b, true},
		{"version 6", append([]byte{0x6e, 0x69, 0x69, 0x69}, b[4:HeaderSize]...), true},
		{"version 7", append([]byte{0x6f, 0x69, 0x69, 0x69}, b[4:HeaderSize]...), false},
		{"letters", bytes.Repeat([]byte("i"), HeaderSize), false},
		{"short", b[:HeaderSize-1], false},
		{"empty", nil, false},
	} {
		if got := Sniff(tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRoomInHeader(t *testing.T) {
	for version, want := range map[int]int{1: 509, 2: 507, 3: 507, 4: 469, 5: 251} {
		if got := MaxRegions(version); got != want {
			t.Errorf("version %d: %d regions, want %d", version, got, want)
		}
		h := Header{Version: version, Size: 1}
		for i := range want {
			h.Regions = append(h.Regions, Region{uint64(2 * i), 1})
		}
		h.Last = uint64(2*want - 1)
		if b, err := h.AppendTo(nil); err != nil {
			t.Errorf("version %d, %d regions: %v", version, want, err)
		} else if got, err := ParseHeader(b); err != nil || len(got.Regions) != want {
			t.Errorf("version %d, %d regions: %v", version, want, err)
		}
		h.Regions = append(h.Regions, Region{uint64(2 * want), 1})
		h.Last += 2
		if _, err := h.AppendTo(nil); !errors.Is(err, ErrTable) {
			t.Errorf("version %d, %d regions: %v, want %v", version, want+1, err, ErrTable)
		}
	}
	if got := Room(3, 300); got != -1 {
		t.Errorf("room with 300 relocations: %d, want -1", got)
	}
}

// TestViewConcurrent reads a disk from several goroutines, about in order.
func TestViewConcurrent(t *testing.T) {
	const sectors = 20 << 20 / Sector // of each chunk, of which there are 6
	var b, want []byte
	for i := range 6 {
		data := make([]byte, sectors*Sector)
		for k := 0; k < len(data); k += 100_000 {
			data[k] = byte(k>>16) + byte(i)
		}
		h := Header{Version: 3, Index: int32(i), First: uint64(i * (sectors + 8)), Regions: []Region{{uint64(i*(sectors+8) + 8), sectors}}}
		h.Last = h.Regions[0].End()
		b = append(b, makeChunk(t, h, data)...)
		want = append(append(want, make([]byte, 8*Sector)...), data...)
	}
	m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	v := m.View(t.Context())
	var next atomic.Int64
	errs := make(chan error, 5)
	for range cap(errs) {
		go func() {
			p := make([]byte, 1<<20)
			for {
				off := (next.Add(1) - 1) << 20
				n, err := v.ReadAt(p, off)
				end := min(off+int64(len(p)), int64(len(want)))
				if off < end && !bytes.Equal(p[:n], want[off:end]) {
					err = errors.New("other data")
				} else if err == io.EOF && end == int64(len(want)) {
					errs <- nil
					return
				}
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(v.windows) > 3 {
		t.Errorf("%d windows, want at most 3", len(v.windows))
	}
}
