package cluster

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
)

// TestBitmap compares with one Add for each bit that is set.
func TestBitmap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		h := Heap{Off: 1000, Size: 512, Count: 1 + r.Int64N(1000)}
		b := make([]byte, (h.Count+63)/64*8)
		for i := range b {
			b[i] = byte(r.Uint32()) | byte(-r.Uint32N(2)) // a half of them all ones
		}
		if r.IntN(2) == 0 {
			clear(b[len(b)/2:])
		}
		got, want := NewUsed(h), extent.Set{}
		got.Bitmap(0, b)
		for i := range h.Count {
			if b[i/8]>>(i%8)&1 == 1 {
				want.Add(extent.Range{Off: 1000 + i*512, End: 1512 + i*512})
			}
		}
		if diff := cmp.Diff(want.Ranges(), got.Set().Ranges()); diff != "" && want.Count() > 0 {
			t.Fatalf("bitmap (-want +got):\n%s", diff)
		}
	}
}

// TestLimit fills a heap with more pieces than are kept.
func TestLimit(t *testing.T) {
	h := Heap{Off: 3 << 12, Size: 1 << 12, Count: 100_001}
	u := NewUsed(h)
	u.limit = 1000
	var want extent.Set
	for i := int64(0); i < h.Count; i += 2 + i/5000 {
		u.Add(i, 1)
		want.Add(h.Range(i, 1))
	}
	if n := u.Set().Count(); n > u.limit || n < 10 {
		t.Errorf("%d ranges, want up to %d", n, u.limit)
	}
	if lost := want.Subtract(u.Set()); !lost.Empty() || u.Set().End() > h.End() {
		t.Errorf("lost %v, ends at %d of %d", lost.Ranges(), u.Set().End(), h.End())
	}
}

func TestRange(t *testing.T) {
	h := Heap{Off: 10, Size: 4, Count: 5}
	for _, c := range []struct {
		first, n int64
		want     extent.Range
	}{
		{0, 1, extent.Range{Off: 10, End: 14}},
		{4, 1, extent.Range{Off: 26, End: 30}},
		{3, 9, extent.Range{Off: 22, End: 30}},
		{5, 1, extent.Range{}},
		{-1, 3, extent.Range{}},
		{2, -3, extent.Range{}},
	} {
		if got := h.Range(c.first, c.n); got != c.want {
			t.Errorf("Range(%d, %d) = %v; want %v", c.first, c.n, got, c.want)
		}
	}
}

func TestForeign(t *testing.T) {
	b := make([]byte, 70000)
	if got, err := Foreign(strings.NewReader(string(b)), 70000); got != "" || err != nil {
		t.Errorf("Foreign of zeros = %q, %v", got, err)
	}
	copy(b[4096:], "\xfc\x4e\x2b\xa9")
	if got, err := Foreign(strings.NewReader(string(b)), 70000); got != "a RAID member" || err != nil {
		t.Errorf("Foreign of a RAID member = %q, %v", got, err)
	}
	if _, err := Foreign(strings.NewReader(""), 70000); err == nil {
		t.Error("Foreign of a volume that ends early: no error")
	}
}

func TestText(t *testing.T) {
	if got := Text([]byte("A \xffB  \x00x")); got != "A ?B" {
		t.Errorf("Text = %q", got)
	}
	if got := UTF16([]byte("\xe4\x00b\x00\x00\x00x\x00")); got != "äb" {
		t.Errorf("UTF16 = %q", got)
	}
}
