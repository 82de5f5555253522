package exfat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

var le = binary.LittleEndian

// fresh is a filesystem just made: the FAT at 32 KiB, the heap of 448 clusters
// of 4 KiB at 64 KiB, and in it the bitmap in cluster 2, the upcase table in 3
// and 4, the root directory in 5.
func fresh(t testing.TB) []byte {
	t.Helper()
	img := maptest.File(t, 2<<20)
	maptest.Tool(t, "mkfs.exfat", "-c", "4K", "-b", "32K", img)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	if le.Uint32(b[fatOffset:]) != 64 || le.Uint32(b[clusterHeapOffset:]) != 128 || le.Uint32(b[rootCluster:]) != 5 {
		t.Skip("another mkfs.exfat")
	}
	return b
}

const (
	fatAt  = 32 << 10
	heapAt = 64 << 10
	rootAt = heapAt + 3*4096
)

// find is where the root directory has its first entry of a type.
func find(b []byte, kind byte) int {
	for i := rootAt; ; i += 32 {
		if b[i] == kind {
			return i
		}
	}
}

// seal puts the checksum right.
func seal(b []byte) {
	sum := uint32(0)
	for i, c := range b[:11*512] {
		if i != 106 && i != 107 && i != 112 {
			sum = (sum<<31 | sum>>1) + uint32(c)
		}
	}
	for i := 11 * 512; i < 12*512; i += 4 {
		le.PutUint32(b[i:], sum)
	}
}

func TestState(t *testing.T) {
	base := fresh(t)
	for _, c := range []struct {
		name   string
		change func(b []byte)
		sealed bool
		want   string // part of the error; none means that there is a map
	}{
		{"fresh", func(b []byte) {}, false, ""},
		{"percent in use", func(b []byte) { b[112] = 99 }, false, ""},
		{"sealed", func(b []byte) { b[200] = 1 }, true, ""},
		{"root in two clusters", func(b []byte) {
			le.PutUint32(b[fatAt+4*5:], 6)
			le.PutUint32(b[fatAt+4*6:], 0xffffffff)
			b[heapAt] |= 1 << 4
			for i := rootAt; i < rootAt+4096; i += 32 {
				if b[i] == 0 {
					b[i] = 0x05 // deleted
				}
			}
		}, false, ""},

		{"dirty", func(b []byte) { b[106] |= 2 }, false, "dirty"},
		{"checksum", func(b []byte) { b[200] = 1 }, false, "checksum"},
		{"checksum sector", func(b []byte) { b[12*512-1] ^= 1 }, false, "checksum"},
		{"second FAT of one", func(b []byte) { b[106] |= 1 }, false, "second FAT"},
		{"revision 2", func(b []byte) { b[105] = 2 }, true, "revision 2"},
		{"sectors of 256", func(b []byte) { b[108] = 8 }, true, "2^8"},
		{"clusters too large", func(b []byte) { b[109] = 17 }, true, "2^17"},
		{"no FAT", func(b []byte) { b[110] = 0 }, true, "0 FATs"},
		{"three FATs", func(b []byte) { b[110] = 3 }, true, "3 FATs"},
		{"longer than the volume", func(b []byte) { b[72+7] = 0xff }, true, "needs"},
		{"no clusters", func(b []byte) { clear(b[92:96]) }, true, "0 clusters"},
		{"clusters beyond the end", func(b []byte) { le.PutUint32(b[92:], 497) }, true, "497 clusters"},
		{"FAT over boot region", func(b []byte) { b[80] = 23 }, true, "FAT at 23"},
		{"heap over FAT", func(b []byte) { b[88] = 60 }, true, "heap at 60"},
		{"FAT too small", func(b []byte) { le.PutUint32(b[84:], 1) }, true, "too small"},
		{"root beyond the end", func(b []byte) { le.PutUint32(b[96:], 5000) }, true, "comes to 5000"},
		{"root at free cluster", func(b []byte) { le.PutUint32(b[96:], 9) }, true, "0 allocation bitmaps"},
		{"root chain to nowhere", func(b []byte) {
			clear(b[fatAt+4*5 : fatAt+4*6])
			for i := rootAt; i < rootAt+4096; i += 32 {
				b[i] |= b[i]>>6 | 1
			}
		}, false, "comes to 0"},
		{"root in a loop", func(b []byte) {
			b[find(b, 0x81)] = 0x05
			le.PutUint32(b[fatAt+4*5:], 5)
			for i := rootAt; i < rootAt+4096; i += 32 {
				if b[i] == 0 {
					b[i] = 0x05
				}
			}
		}, false, "does not end"},
		{"no bitmap", func(b []byte) { b[find(b, 0x81)] = 0x01 }, false, "0 allocation bitmaps"},
		{"second bitmap", func(b []byte) { b[find(b, 0x81)+1] = 1 }, false, "allocation bitmap 1"},
		{"bitmap too small", func(b []byte) { b[find(b, 0x81)+24]-- }, false, "bytes for"},
		{"bitmap too large", func(b []byte) { b[find(b, 0x81)+31] = 1 }, false, "metadata of"},
		{"bitmap in pieces", func(b []byte) {
			le.PutUint32(b[find(b, 0x81)+24:], 5000)
			le.PutUint32(b[fatAt+4*2:], 9)
			le.PutUint32(b[fatAt+4*9:], 0xffffffff)
		}, false, "in pieces"},
		{"bitmap cut short", func(b []byte) { le.PutUint32(b[find(b, 0x81)+24:], 5000) }, false, "ends after 4096"},
		{"bitmap has itself free", func(b []byte) { b[heapAt] &^= 1 }, false, "own metadata"},
		{"bitmap has upcase table free", func(b []byte) { b[heapAt] &^= 4 }, false, "own metadata"},
		{"bitmap has root free", func(b []byte) { b[heapAt] &^= 8 }, false, "own metadata"},
		{"a RAID member", func(b []byte) { copy(b[4096:], "\xfc\x4e\x2b\xa9") }, true, "RAID"},

		{"no signature", func(b []byte) { b[510] = 0 }, true, "not a filesystem"},
		{"a BPB", func(b []byte) { b[11] = 2 }, true, "not a filesystem"},
	} {
		b := bytes.Clone(base)
		c.change(b)
		if c.sealed {
			seal(b)
		}
		m, err := Map(bytes.NewReader(b), int64(len(b)))
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: Map = %v; want %q", c.name, err, c.want)
		case err == nil && m.Used.Len() != heapAt+4096*int64(bits.OnesCount8(b[heapAt])):
			t.Errorf("%s: used %v", c.name, m.Used.Ranges())
		}
	}
}

// TestTwoFATs makes a TexFAT volume, of which mkfs.exfat knows nothing: of two
// bitmaps each keeps what the other has not.
func TestTwoFATs(t *testing.T) {
	b := fresh(t)
	b[110] = 2
	b[106] |= 1
	le.PutUint32(b[fatLength:], 32)
	seal(b)
	second := b[fatAt+32*512:]
	copy(second, b[fatAt:fatAt+32*512])
	le.PutUint32(second[4*20:], 0xffffffff) // the other bitmap, in cluster 20
	e := find(b, 0x81)
	for i := rootAt; ; i += 32 {
		if b[i] == 0 {
			copy(b[i:], b[e:e+32])
			b[i+1] = 1
			b[i+20] = 20
			break
		}
	}
	copy(b[heapAt+18*4096:], b[heapAt:heapAt+4096])
	b[heapAt+8] = 1                         // cluster 66 in the first
	b[heapAt+18*4096+8] = 4                 // cluster 68 in the second
	b[heapAt+2], b[heapAt+18*4096+2] = 4, 4 // cluster 20 in both
	m, err := Map(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	at := func(n int64) extent.Range {
		return extent.Range{Off: heapAt + (n-2)*4096, End: heapAt + (n-1)*4096}
	}
	want := []extent.Range{{End: rootAt + 4096}, at(20), at(66), at(68)}
	if diff := cmp.Diff(want, m.Used.Ranges()); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
}

// TestRandom sets random bits.
func TestRandom(t *testing.T) {
	base := fresh(t)
	r := rand.New(rand.NewPCG(1, 7))
	for range 200 {
		b := bytes.Clone(base)
		want := []extent.Range{{End: rootAt + 4096}}
		count := int64(le.Uint32(b[clusterCount:]))
		for n := int64(4); n < count; n++ {
			if r.IntN(4) == 0 {
				b[heapAt+n/8] |= 1 << (n % 8)
				want = append(want, extent.Range{Off: heapAt + n*4096, End: heapAt + (n+1)*4096})
			}
		}
		b[heapAt+(count+7)/8] = 0xff // beyond the end
		m, err := Map(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		maptest.Superset(t, m.Used, extent.NewSet(want...), true)
	}
}

func TestReadError(t *testing.T) {
	b := fresh(t)
	for _, n := range []int{100, 2000, fatAt + 10, heapAt + 10, rootAt} {
		if _, err := Map(bytes.NewReader(b[:n]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("of %d bytes: Map = %v", n, err)
		}
	}
	if _, err := Map(bytes.NewReader(nil), 0); !errors.Is(err, fsmap.ErrUnknown) {
		t.Errorf("of nothing: Map = %v", err)
	}
}

// FuzzMap puts the checksum right, which it would hardly find.
func FuzzMap(f *testing.F) {
	b := fresh(f)
	f.Add(bytes.Clone(b[:120]), bytes.Clone(b[fatAt:fatAt+32]), bytes.Clone(b[heapAt:heapAt+8]), bytes.Clone(b[rootAt:rootAt+128]))
	f.Fuzz(func(t *testing.T, boot, fat, bitmap, root []byte) {
		v := bytes.Clone(b)
		copy(v[:510], boot)
		copy(v[fatAt:heapAt], fat)
		copy(v[heapAt:heapAt+4096], bitmap)
		copy(v[rootAt:rootAt+8192], root)
		seal(v)
		m, err := Map(bytes.NewReader(v), int64(len(v)))
		if err == nil && (m.Used.End() > m.Size || m.Size > int64(len(v)) || !m.Used.Contains(extent.Range{End: 24 * 512})) {
			t.Errorf("map of %d bytes: %v", m.Size, m.Used.Ranges())
		}
	})
}
