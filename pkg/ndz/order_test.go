package ndz

import (
	"errors"
	"testing"
)

// A chunk that was forgotten does not keep the right one from its place.
func TestForget(t *testing.T) {
	header := func(i, first, last uint64) *Header {
		return &Header{Version: 3, Size: 1, Index: int32(i), First: first, Last: last, Regions: []Region{{first, last - first}}}
	}
	short := header(1, 10, 30) // forged: only the last may end so
	short.Relocs = []Reloc{{Type: RelocShort, Sector: 29, Size: 7}}
	o := NewOrder(Options{}, 3)
	for _, h := range []*Header{header(0, 0, 10), short} {
		if err := o.Add(int64(h.Index), h); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Add(1, header(1, 10, 20)); !errors.Is(err, ErrChanged) {
		t.Errorf("another header: %v, want %v", err, ErrChanged)
	}
	for _, i := range []int64{1, 1, 2, 3, -1} {
		o.Forget(i)
	}
	if err := o.End(); !errors.Is(err, ErrTruncated) {
		t.Errorf("two chunks missing: %v, want %v", err, ErrTruncated)
	}
	for _, h := range []*Header{header(2, 20, 40), header(1, 10, 20)} {
		if err := o.Add(int64(h.Index), h); err != nil {
			t.Error(err)
		}
	}
	if err := o.End(); err != nil || o.Size() != 40*Sector {
		t.Errorf("%v; %d bytes", err, o.Size())
	}
}
