package receive

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func walkAll(o *order, over func(int32) bool) []int32 {
	var all []int32
	o.walk(over, func(k int32) bool { all = append(all, k); return true })
	return all
}

func TestOrder(t *testing.T) {
	none := func(int32) bool { return false }
	for _, tt := range []struct {
		chunks int64
		n      int
	}{{1, 1}, {10, 1}, {10, 3}, {10, 10}, {10, 100}, {1000, 7}} {
		r := rand.New(rand.NewPCG(1, 2))
		a := newOrder(tt.chunks, tt.n, r.IntN)
		b := newOrder(tt.chunks, tt.n, r.IntN)
		all := walkAll(&a, none)
		if tt.chunks/int64(tt.n) > 50 && slices.Equal(all, walkAll(&b, none)) {
			t.Errorf("%+v: two clients have the same order", tt)
		}
		for i, k := range all {
			if next, ok := a.after(k); ok && (i+1 == len(all) || all[i+1] != next) {
				t.Errorf("%+v: chunk %d is not followed by the next of its run", tt, k)
			}
		}
		slices.Sort(all)
		if int64(len(all)) != tt.chunks || all[0] != 0 || len(slices.Compact(all)) != int(tt.chunks) {
			t.Errorf("%+v: not every chunk is there once: %v", tt, all)
		}

		done := map[int32]bool{}
		over := func(k int32) bool { return done[k] }
		for range tt.chunks {
			left := walkAll(&a, over)
			if len(left)+len(done) != int(tt.chunks) {
				t.Fatalf("%+v: %d left, %d done", tt, len(left), len(done))
			}
			done[left[r.IntN(len(left))]] = true
		}
		if left := walkAll(&a, over); len(left) != 0 {
			t.Errorf("%+v: left over: %v", tt, left)
		}
		clear(done)
		a.rewind()
		if left := walkAll(&a, over); len(left) != int(tt.chunks) {
			t.Errorf("%+v: %d left after rewinding", tt, len(left))
		}
	}
	o := newOrder(4, 2, nil)
	if got := walkAll(&o, none); !slices.Equal(got, []int32{0, 1, 2, 3}) {
		t.Errorf("without randomness: %v", got)
	}
}
