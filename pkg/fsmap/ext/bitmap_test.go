package ext

import (
	"math/rand/v2"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// sparse fills p with runs of random lengths, so that words of all ones, of all
// zeros and of both come up.
func sparse(r *rand.Rand, p []byte) {
	for at := uint64(0); at < uint64(len(p))*8; {
		n := min(1+r.Uint64N(1<<r.UintN(9)), uint64(len(p))*8-at)
		if r.IntN(2) == 0 {
			setBits(p, at, n)
		}
		at += n
	}
}

func TestBitmapBitByBit(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		p := make([]byte, 8*(1+r.IntN(12))+r.IntN(8))
		sparse(r, p)
		n := r.Uint64N(uint64(len(p))*8 + 1)
		var want extent.Set
		free := uint64(0)
		for i := range n {
			if p[i/8]>>(i%8)&1 == 0 {
				free++
				continue
			}
			want.Add(extent.Range{Off: 1000 + int64(i)*10, End: 1000 + int64(i)*10 + 10})
		}
		b := &builder{limit: maxRanges}
		if got := b.bitmap(p, n, 1000, 10); got != free || !b.used.Equal(want) {
			t.Fatalf("%d bits of %x: %d free, %v; want %d, %v", n, p, got, b.used.Ranges(), free, want.Ranges())
		}
	}
}

func TestBuilderFillsSmallGapsAtItsLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	b, whole := &builder{limit: 100}, &builder{limit: maxRanges}
	for i := range int64(50) {
		p := make([]byte, 512)
		sparse(r, p)
		for _, x := range []*builder{b, whole} {
			x.bitmap(p, 4096, i*4096*4096, 4096)
		}
	}
	if lost := whole.used.Subtract(b.used); !lost.Empty() {
		t.Errorf("loses %v", lost.Ranges())
	}
	if b.used.Count() > 100 || b.used.Count() < 2 || whole.used.Count() <= 100 {
		t.Errorf("%d ranges became %d", whole.used.Count(), b.used.Count())
	}
}

func TestHasSuper(t *testing.T) {
	for _, test := range []struct {
		name string
		s    Super
		want []uint32
	}{
		{"everywhere", Super{}, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"sparse", Super{ROCompat: roSparseSuper}, []uint32{0, 1, 3, 5, 7, 9}},
		{"two", Super{ROCompat: roSparseSuper, Compat: compatSparseSuper2, backups: [2]uint32{1, 12}}, []uint32{0, 1, 12}},
		{"one", Super{Compat: compatSparseSuper2, backups: [2]uint32{4, 0}}, []uint32{0, 4}},
	} {
		want := map[uint32]bool{}
		for _, g := range test.want {
			want[g] = true
		}
		for g := range uint32(13) {
			if got := test.s.hasSuper(g); got != want[g] {
				t.Errorf("%s: group %d has a superblock: %v, want %v", test.name, g, got, want[g])
			}
		}
	}
}
