package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// volume is the bytes of a filesystem just made, without the zeros at the end.
func volume(t testing.TB, size int64, args ...string) []byte {
	t.Helper()
	img := maptest.File(t, size)
	maptest.Tool(t, "mkfs.fat", append(args, "-n", "X", img)...)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fat16 has one reserved sector, FATs of 40 sectors at 512 and 20992, 512
// entries in the root directory, and clusters of 1024 bytes from 57856 on.
func fat16(t testing.TB) []byte {
	b := volume(t, 10<<20, "-F", "16", "-a", "-s", "2", "-f", "2", "-R", "1", "-r", "512")
	if le.Uint16(b[rsvdSecCnt:]) != 1 || le.Uint16(b[fatSz16:]) != 40 {
		t.Skip("another mkfs.fat")
	}
	return b
}

var le = binary.LittleEndian

const heap16 = 512 + 2*40*512 + 512*32

// set writes an entry into both FATs.
func set(b []byte, n, v uint16) {
	le.PutUint16(b[512+2*n:], v)
	le.PutUint16(b[512+40*512+2*n:], v)
}

// entry writes an entry of the root directory.
func entry(b []byte, i int, name string, attr byte, first uint16) {
	e := b[512+2*40*512+32*i:]
	copy(e, name)
	e[11] = attr
	le.PutUint16(e[26:], first)
}

func TestState(t *testing.T) {
	base := fat16(t)
	for _, c := range []struct {
		name    string
		change  func(b []byte)
		want    string // part of the error; none means that there is a map
		used    []int64
		unclean bool
		notes   int
	}{
		{"fresh", func(b []byte) {}, "", nil, false, 0},
		{"dirty by Linux", func(b []byte) { b[37] |= 1 }, "", nil, true, 1},
		{"dirty by Windows", func(b []byte) { set(b, 1, 0x7fff) }, "", nil, true, 1},
		{"disk errors", func(b []byte) { set(b, 1, 0xbfff) }, "", nil, false, 1},
		{"a chain", func(b []byte) { set(b, 5, 9); set(b, 9, 0xffff) }, "", []int64{5, 9}, false, 0},
		{"a bad cluster", func(b []byte) { set(b, 7, 0xfff7) }, "", nil, false, 1},
		{"a bad cluster in a chain", func(b []byte) { set(b, 5, 7); set(b, 7, 0xfff7) }, "", []int64{5, 7}, false, 0},
		{"a bad cluster in a directory", func(b []byte) { set(b, 7, 0xfff7); entry(b, 3, "A          ", 0x20, 7) }, "", []int64{7}, false, 1},
		{"a free cluster in a directory", func(b []byte) { entry(b, 3, "A          ", 0x20, 11) }, "", []int64{11}, false, 1},
		{"a free directory", func(b []byte) {
			entry(b, 3, "A          ", 0x10, 11)
			e := b[heap16+9*1024+64:]
			copy(e, "B          ")
			e[26] = 13
		}, "", []int64{11, 13}, false, 1},
		{"a directory in a loop", func(b []byte) {
			entry(b, 3, "A          ", 0x10, 11)
			set(b, 11, 12)
			set(b, 12, 11)
		}, "", []int64{11, 12}, false, 0},
		{"a deleted file", func(b []byte) { entry(b, 3, "\xe5          ", 0x20, 11) }, "", nil, false, 0},

		{"an entry that differs", func(b []byte) { b[512+2*77] = 1 }, "differ in cluster 77", nil, false, 0},
		{"an entry beyond the end", func(b []byte) { set(b, 5, 0xff00) }, "points to 65280", nil, false, 0},
		{"an entry of one", func(b []byte) { set(b, 5, 1) }, "points to 1", nil, false, 0},
		{"another media type", func(b []byte) { b[512] = 0xf0 }, "media type", nil, false, 0},
		{"more sectors than there are", func(b []byte) { le.PutUint16(b[totSec16:], 20481) }, "the volume has", nil, false, 0},
		{"a FAT too small", func(b []byte) { b[fatSz16] = 39 }, "too small", nil, false, 0},
		{"sectors only for the FATs", func(b []byte) { le.PutUint16(b[totSec16:], 113) }, "no room", nil, false, 0},
		{"a RAID member", func(b []byte) { copy(b[4096:], "\xfc\x4e\x2b\xa9") }, "RAID", nil, false, 0},
		{"BitLocker To Go", func(b []byte) { copy(b[424:], bitLocker) }, "BitLocker", nil, false, 0},
		{"4086 clusters", func(b []byte) { le.PutUint16(b[totSec16:], 113+4086*2) }, "systems differ", nil, false, 0},

		{"no signature", func(b []byte) { b[510] = 0 }, "not a filesystem", nil, false, 0},
		{"no jump", func(b []byte) { b[0] = 0xfa }, "not a filesystem", nil, false, 0},
		{"sectors of 513", func(b []byte) { b[11] = 1 }, "not a filesystem", nil, false, 0},
		{"clusters of 3", func(b []byte) { b[13] = 3 }, "not a filesystem", nil, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(base)
			c.change(b)
			m, err := Map(bytes.NewReader(b), int64(len(b)))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Map = %v; want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []extent.Range{{End: heap16}}
			for _, n := range c.used {
				want = append(want, extent.Range{Off: heap16 + (n-2)*1024, End: heap16 + (n-1)*1024})
			}
			if diff := cmp.Diff(extent.NewSet(want...).Ranges(), m.Used.Ranges()); diff != "" {
				t.Errorf("used (-want +got):\n%s", diff)
			}
			if m.Unclean != c.unclean || len(m.Notes) != c.notes {
				t.Errorf("unclean %v, notes %q; want %v, %d", m.Unclean, m.Notes, c.unclean, c.notes)
			}
		})
	}
}

// TestMirror turns mirroring off: only the active FAT counts then.
func TestMirror(t *testing.T) {
	b := volume(t, 40<<20, "-F", "32", "-s", "1", "-f", "3", "-R", "32")
	size := int64(le.Uint32(b[fatSz32:])) * 512
	b[32*512+80] = 3 // the first FAT is no longer kept up
	le.PutUint32(b[32*512+size+44:], 0x0fffffff)
	if _, err := Map(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "differ") {
		t.Errorf("Map = %v; want that FATs differ", err)
	}
	b[extFlags] = 0x81
	m, err := Map(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	heap := 32*512 + 3*size
	want := []extent.Range{{End: heap + 512}, {Off: heap + 9*512, End: heap + 10*512}}
	if diff := cmp.Diff(want, m.Used.Ranges()); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	b[extFlags] = 0x83
	if _, err := Map(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "active FAT") {
		t.Errorf("Map = %v; want that there is no such FAT", err)
	}
}

// TestRandom gives random clusters random entries, on all three kinds.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, bits := range []string{"12", "16", "32"} {
		size := map[string]int64{"12": 2 << 20, "16": 10 << 20, "32": 36 << 20}[bits]
		base := volume(t, size, "-F", bits, "-s", "1")
		for range 4 {
			b := bytes.Clone(base)
			boot, err := readBoot(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			tab := &table{boot: boot}
			want := []extent.Range{{End: boot.heap.Off}}
			if bits == "32" {
				want = append(want, boot.heap.Range(0, 1))
			}
			for n := uint32(3); boot.valid(n); n++ {
				if r.IntN(3) > 0 {
					continue
				}
				v := 2 + r.Uint32N(uint32(boot.heap.Count))
				if r.IntN(9) == 0 {
					v = tab.bad() + 1 + r.Uint32N(8)
				}
				want = append(want, boot.heap.Range(int64(n)-2, 1))
				for _, off := range boot.fats {
					e := b[off+int64(n)*int64(boot.bits)/8:]
					switch {
					case bits == "32":
						le.PutUint32(e, v|r.Uint32()<<28)
					case bits == "16":
						le.PutUint16(e, uint16(v))
					case n%2 == 0:
						le.PutUint16(e, le.Uint16(e)&0xf000|uint16(v))
					default:
						le.PutUint16(e, le.Uint16(e)&0xf|uint16(v<<4))
					}
				}
			}
			m, err := Map(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			maptest.Superset(t, m.Used, extent.NewSet(want...), true)
		}
	}
}

// broken fails to read what lies from its value on.
type broken struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("medium error")

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.from {
		return 0, errDisk
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestReadError(t *testing.T) {
	b := fat16(t)
	for _, from := range []int64{0, 600, 21000, 42000} {
		if _, err := Map(broken{bytes.NewReader(b), from}, int64(len(b))); !errors.Is(err, errDisk) {
			t.Errorf("with errors from %d on: Map = %v", from, err)
		}
	}
	if _, err := Map(bytes.NewReader(b[:20000]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a volume cut short: Map = %v", err)
	}
	if _, err := Map(bytes.NewReader(nil), 0); !errors.Is(err, fsmap.ErrUnknown) {
		t.Errorf("of nothing: Map = %v", err)
	}
}

// padded is a volume of which only the beginning is not zero.
type padded []byte

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(p)) {
		copy(b, p[off:])
	}
	return len(b), nil
}

func FuzzMap(f *testing.F) {
	const size = 80 << 20
	for _, args := range [][]string{
		{"-F", "12", "-s", "8", "-r", "16"},
		{"-F", "16", "-s", "8", "-r", "16"},
		{"-F", "32", "-s", "64", "-R", "8"},
	} {
		b := volume(f, map[string]int64{"12": 1 << 20, "16": 20 << 20, "32": size}[args[1]], args...)
		f.Add(bytes.TrimRight(b, "\x00"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Map(padded(b), size)
		if err != nil {
			return
		}
		if m.Used.End() > m.Size || m.Size > size || !m.Used.Contains(extent.Range{End: 1024}) {
			t.Errorf("map of %d bytes, the last used before %d: %v", m.Size, m.Used.End(), m.Used.Ranges())
		}
	})
}
