package ndz

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

const tib = 1 << 40

// sectors makes a set of ranges, given as first sector and end.
func sectors(bounds ...int64) extent.Set {
	var s extent.Set
	for i := 0; i < len(bounds); i += 2 {
		s.Add(extent.Range{Off: bounds[i] * Sector, End: bounds[i+1] * Sector})
	}
	return s
}

// numbered is a disk of any size whose sectors hold their number, and no zeros.
type numbered int64

func (d numbered) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for ; n < len(p) && off+int64(n) < int64(d); n++ {
		at := off + int64(n)
		p[n] = byte(at/Sector>>(at%8*8)) | 0x80
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func write(t testing.TB, src io.ReaderAt, size int64, used extent.Set, o WriteOptions) ([]byte, *Written) {
	t.Helper()
	var file bytes.Buffer
	w, err := Write(t.Context(), &file, src, size, used, o)
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), w
}

// TestWriteHeaders pins what the chunks of small disks say.
func TestWriteHeaders(t *testing.T) {
	id := [16]byte{1, 2, 3}
	tests := []struct {
		name string
		size int64
		used extent.Set
		o    WriteOptions
		want Header // of the only chunk, but for its Size
	}{
		{"all in use", 100 * Sector, sectors(0, 100), WriteOptions{},
			Header{Version: 3, Last: 100, Regions: []Region{{0, 100}}}},
		{"nothing in use", 100 * Sector, sectors(), WriteOptions{},
			Header{Version: 3, Last: 100, Regions: []Region{{0, 1}}}},
		{"one byte", 1, extent.NewSet(extent.Range{End: 1}), WriteOptions{},
			Header{Version: 3, Last: 1, Regions: []Region{{0, 1}}, Relocs: []Reloc{{Type: RelocShort, Size: 1}}}},
		{"free at both ends", 1000 * Sector, sectors(64, 500), WriteOptions{},
			Header{Version: 3, Last: 1000, Regions: []Region{{64, 436}}}},
		{"short gaps", 1000 * Sector, sectors(63, 500, 563, 600, 664, 937), WriteOptions{},
			Header{Version: 3, Last: 1000, Regions: []Region{{0, 600}, {664, 336}}}},
		{"no gap too short", 1000 * Sector, sectors(1, 500, 501, 999), WriteOptions{Gap: 1},
			Header{Version: 3, Last: 1000, Regions: []Region{{1, 499}, {501, 498}}}},
		{"parts of sectors", 1000 * Sector, extent.NewSet(extent.Range{Off: 100*Sector + 5, End: 101*Sector + 1}), WriteOptions{},
			Header{Version: 3, Last: 1000, Regions: []Region{{100, 2}}}},
		{"the short end is free", 1000*Sector + 5, sectors(0, 100), WriteOptions{},
			Header{Version: 3, Last: 1001, Regions: []Region{{0, 100}, {1000, 1}}, Relocs: []Reloc{{Type: RelocShort, Sector: 1000, Size: 5}}}},
		{"version 2", 100 * Sector, sectors(0, 100), WriteOptions{Version: 2},
			Header{Version: 2, Last: 100, Regions: []Region{{0, 100}}}},
		{"version 4", 100 * Sector, sectors(0, 100), WriteOptions{Version: 4, ID: id},
			Header{Version: 4, Last: 100, Regions: []Region{{0, 100}}, ID: id}},
		{"version 5", 100 * Sector, sectors(0, 100), WriteOptions{Version: 5, ID: id},
			Header{Version: 5, Last: 100, Regions: []Region{{0, 100}}, ID: id}},
		{"the most of version 3", MaxSector32 * Sector, sectors(MaxSector32-1, MaxSector32), WriteOptions{},
			Header{Version: 3, Last: MaxSector32, Regions: []Region{{MaxSector32 - 1, 1}}}},
		{"2 TiB", 2 * tib, sectors(0, 1), WriteOptions{},
			Header{Version: 5, Last: 1 << 32, Regions: []Region{{0, 1}}}},
		{"an exbibyte and a byte", tib<<20 + 1, sectors(5, 6, 1<<40, 1<<40+9), WriteOptions{Gap: 1},
			Header{Version: 5, Last: 1<<51 + 1, Regions: []Region{{5, 1}, {1 << 40, 9}, {1 << 51, 1}}, Relocs: []Reloc{{Type: RelocShort, Sector: 1 << 51, Size: 1}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, w := write(t, numbered(tt.size), tt.size, tt.used, tt.o)
			got, err := ParseHeader(file)
			if err != nil {
				t.Fatal(err)
			}
			if int64(got.Size) != w.Packed || int64(got.Sectors())*Sector != w.Data || got.Version != w.Version {
				t.Errorf("written %+v, but the header is %+v", w, got)
			}
			got.Size = 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			used := tt.used.Align(Sector)
			rep := ndztest.Check(file, func(sector uint64, data []byte) {
				held := extent.Range{Off: int64(sector) * Sector, End: int64(sector)*Sector + int64(len(data))}
				want := make([]byte, len(data))
				for r := range used.Within(held) {
					numbered(tt.size).ReadAt(want[r.Off-held.Off:r.End-held.Off], r.Off)
				}
				if !bytes.Equal(data, want) {
					t.Errorf("bytes %d to %d are not what is in use, and zeros", held.Off, held.End)
				}
			})
			if len(rep.Problems) > 0 {
				t.Errorf("the checker says: %s", rep.Problems)
			}
		})
	}
}

// TestWriteLarge writes what lies scattered over a disk of 3 TiB.
func TestWriteLarge(t *testing.T) {
	var used extent.Set
	r := rand.New(rand.NewPCG(1, 5))
	for at := int64(0); at < 3*tib-tib/4; at += r.Int64N(tib / 2) {
		used.Add(extent.Range{Off: at / Sector * Sector, End: at/Sector*Sector + Sector*(1+r.Int64N(3000))})
	}
	used.Add(extent.Range{Off: 2*tib - 5*Sector, End: 2*tib + 5*Sector})
	file, _ := write(t, numbered(3*tib), 3*tib, used, WriteOptions{})
	var got extent.Set
	rep := ndztest.Check(file, func(sector uint64, data []byte) {
		off := int64(sector) * Sector
		got.Add(extent.Range{Off: off, End: off + int64(len(data))})
		want := make([]byte, len(data))
		numbered(3*tib).ReadAt(want, off)
		if !bytes.Equal(data, want) {
			t.Errorf("what is at sector %d is not the same", sector)
		}
	})
	if len(rep.Problems) > 0 || rep.Version != 5 || rep.End != 3*tib/Sector {
		t.Errorf("%+v", rep)
	}
	if diff := cmp.Diff(used.Ranges(), got.Ranges()); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}

// TestWriteScattered fills chunks with regions before they are full of data.
func TestWriteScattered(t *testing.T) {
	const n = 5000
	var used extent.Set
	for i := range int64(n) {
		used.Add(extent.Range{Off: 2 * i * Sector, End: (2*i + 1) * Sector})
	}
	for _, version := range []int{2, 3, 4, 5} {
		for _, size := range []int64{2 * n * Sector, 2*n*Sector + 1} {
			file, w := write(t, numbered(size), size, used, WriteOptions{Version: version, Gap: 1})
			rep := ndztest.Check(file, nil)
			if len(rep.Problems) > 0 {
				t.Errorf("version %d: %s", version, rep.Problems)
			}
			most := n/(writtenRegions-10) + 1
			if version == 5 {
				most = n/(MaxRegions(5)-10) + 1
			}
			if w.Chunks > int64(most) || rep.Regions < n {
				t.Errorf("version %d: %d regions in %d chunks; want %d in at most %d", version, rep.Regions, w.Chunks, n, most)
			}
		}
	}
}

// TestWriteLastRegion has the last region that a chunk has room for grow on.
func TestWriteLastRegion(t *testing.T) {
	const size = 3000 * Sector
	var used extent.Set
	for i := range int64(writtenRegions) {
		used.Add(extent.Range{Off: 2 * i * Sector, End: (2*i + 1) * Sector})
	}
	used.Add(extent.Range{Off: 2 * (writtenRegions - 1) * Sector, End: size})
	if _, w := write(t, numbered(size), size, used, WriteOptions{Gap: 1}); w.Chunks != 1 {
		t.Errorf("%d chunks; want 1", w.Chunks)
	}
}

// TestWriteShortEnd pads what ends in a sector with zeros, whatever was in memory.
func TestWriteShortEnd(t *testing.T) {
	const size = 5<<20 + 100
	disk := bytes.Repeat([]byte{0xff}, size)
	used := extent.NewSet(extent.Range{End: size})
	o := WriteOptions{Workers: 1}
	file, _ := write(t, bytes.NewReader(disk), size, used, o)
	check(t, file, disk, used, o)
}

// TestWriteFull looks at how full chunks are, and that they are the same
// whoever made them.
func TestWriteFull(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	disk := make([]byte, 12<<20)
	texture(r, disk)
	noise := make([]byte, 6<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, disk := range map[string][]byte{"all kinds": disk, "noise": noise} {
		size := int64(len(disk))
		file, w := write(t, bytes.NewReader(disk), size, extent.NewSet(extent.Range{End: size}), WriteOptions{Workers: 4})
		if w.Chunks < 4 {
			t.Fatalf("%s: only %d chunks", name, w.Chunks)
		}
		sum := 0
		for i := range w.Chunks - 1 {
			h, err := ParseHeader(file[i*ChunkSize:])
			if err != nil {
				t.Fatal(err)
			}
			sum += h.Size
		}
		if full := float64(sum) / float64((w.Chunks-1)*MaxData); full < 0.985 {
			t.Errorf("%s: chunks are filled to %.3f; want 0.985", name, full)
		}
		again, _ := write(t, bytes.NewReader(disk), size, extent.NewSet(extent.Range{End: size}), WriteOptions{Workers: 1})
		if !bytes.Equal(again, file) {
			t.Errorf("%s: one worker writes another image than four", name)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name string
		size int64
		used extent.Set
		o    WriteOptions
		want string
	}{
		{"no disk", 0, sectors(), WriteOptions{}, "a disk of 0 bytes"},
		{"used beyond", 100 * Sector, sectors(0, 101), WriteOptions{}, "bytes 0 to 51711 of 51200"},
		{"used before", 100 * Sector, extent.NewSet(extent.Range{Off: -1, End: 1}), WriteOptions{}, "bytes -1 to 0"},
		{"version 1", 100 * Sector, sectors(0, 1), WriteOptions{Version: 1}, "version 1 of the format is not written"},
		{"version 6", 100 * Sector, sectors(0, 1), WriteOptions{Version: 6}, "version 6 of the format is not written"},
		{"large", 2 * tib, sectors(0, 1), WriteOptions{Version: 3}, "no numbers for 4294967296 sectors"},
		{"too large", 1<<63 - 1, sectors(0, 1), WriteOptions{}, "no numbers for"},
		{"id", 100 * Sector, sectors(0, 1), WriteOptions{ID: [16]byte{1}}, "no image id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var file bytes.Buffer
			_, err := Write(t.Context(), &file, numbered(tt.size), tt.size, tt.used, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || file.Len() > 0 {
				t.Errorf("error %v, %d bytes; want %q and none", err, file.Len(), tt.want)
			}
		})
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("full")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

type failingReader struct {
	numbered
	at     int64
	cancel context.CancelFunc
}

var errBad = errors.New("bad sector")

func (f *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		if f.cancel == nil {
			return 0, errBad
		}
		f.cancel()
	}
	return f.numbered.ReadAt(p, off)
}

func TestWriteFails(t *testing.T) {
	const size = 40 << 20
	all := extent.NewSet(extent.Range{End: size})
	if _, err := Write(t.Context(), &failingWriter{0}, numbered(size), size, all, WriteOptions{}); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
	}
	if _, err := Write(t.Context(), io.Discard, &failingReader{size, size / 2, nil}, size, all, WriteOptions{}); !errors.Is(err, errBad) {
		t.Errorf("bad sector: %v", err)
	}
	if _, err := Write(t.Context(), io.Discard, numbered(size-1), size, all, WriteOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short disk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Write(ctx, io.Discard, &failingReader{size, size / 2, cancel}, size, all, WriteOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// forward refuses to read anything twice, or out of order.
type forward struct {
	numbered
	t    *testing.T
	next int64
}

func (f *forward) ReadAt(p []byte, off int64) (int, error) {
	if off < f.next {
		f.t.Errorf("read from %d after %d", off, f.next)
	}
	f.next = off + int64(len(p))
	return f.numbered.ReadAt(p, off)
}

func TestWriteReadsOnce(t *testing.T) {
	const size = 30 << 20
	done := int64(0)
	o := WriteOptions{InOrder: true, Progress: func(at int64) {
		if at <= done {
			t.Errorf("progress goes from %d to %d", done, at)
		}
		done = at
	}}
	used := scatter(rand.New(rand.NewPCG(1, 7)), size, 500<<10)
	write(t, &forward{numbered(size), t, 0}, size, used, o)
	if done < used.End() {
		t.Errorf("progress ends at %d", done)
	}
}

// TestWriteZlib has the streams of chunks read by zlib itself.
func TestWriteZlib(t *testing.T) {
	const script = `
import sys, zlib
image = sys.stdin.buffer.read()
for at in range(0, len(image), 1 << 20):
    size = int.from_bytes(image[at+4:at+8], "little")
    z = zlib.decompressobj()
    sys.stdout.buffer.write(z.decompress(image[at+4096:at+4096+size]))
    assert z.eof and not z.unused_data, "chunk at %d" % at
`
	if exec.Command("python3", "-c", "import zlib").Run() != nil {
		t.Skip("no python3 with zlib")
	}
	disk := make([]byte, 8<<20)
	texture(rand.New(rand.NewPCG(1, 8)), disk)
	size := int64(len(disk))
	file, _ := write(t, bytes.NewReader(disk), size, extent.NewSet(extent.Range{End: size}), WriteOptions{})
	cmd := exec.Command("python3", "-c", script)
	cmd.Stdin = bytes.NewReader(file)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, disk) {
		t.Error("zlib reads something else")
	}
}
