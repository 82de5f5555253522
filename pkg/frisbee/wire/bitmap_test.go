package wire

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type run struct{ First, N int }

func runs(m *Bitmap) (all []run) {
	for first, n := range m.Runs() {
		all = append(all, run{first, n})
	}
	return all
}

// TestBitmapModel does the same to a bitmap and to a slice of bools.
func TestBitmapModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m Bitmap
	var model [MaxBlocks]bool
	edge := []int{-1, 0, 1, 63, 64, 65, 127, 128, 1022, 1023, 1024, 1025, math.MaxInt, math.MinInt}
	number := func() int {
		if r.IntN(4) == 0 {
			return edge[r.IntN(len(edge))]
		}
		return r.IntN(MaxBlocks)
	}
	for i := range 20000 {
		first, n := number(), number()
		if r.IntN(2) == 0 {
			n = r.IntN(70)
		}
		on := r.IntN(2) == 0
		switch r.IntN(4) {
		case 0:
			if n = 1; on {
				m.Set(first)
			} else {
				m.Clear(first)
			}
		case 1, 2:
			if on {
				m.SetRange(first, n)
			} else {
				m.ClearRange(first, n)
			}
		case 3:
			var o Bitmap
			if o.SetRange(first, n); on {
				m.Or(&o)
			} else {
				m.AndNot(&o)
			}
		}
		count := 0
		for b := range model {
			if n > 0 && b >= first && uint(b)-uint(first) < uint(n) {
				model[b] = on
			}
			if model[b] {
				count++
			}
			if m.Has(b) != model[b] {
				t.Fatalf("step %d: after %d blocks from %d to %v, block %d is %v", i, n, first, on, b, m.Has(b))
			}
		}
		if m.Count() != count || m.Empty() != (count == 0) {
			t.Fatalf("step %d: %d blocks, want %d", i, m.Count(), count)
		}
		from := number()
		got := run{}
		got.First, got.N = m.Run(from)
		want := run{max(from, 0), 0}
		for want.First < MaxBlocks && !model[want.First] {
			want.First++
		}
		for want.First+want.N < MaxBlocks && model[want.First+want.N] {
			want.N++
		}
		want.First = min(want.First, MaxBlocks)
		if got != want {
			t.Fatalf("step %d: run from %d is %v, want %v", i, from, got, want)
		}
		var back Bitmap
		sum := 0
		for first, n := range m.Runs() {
			back.SetRange(first, n)
			sum += n
		}
		if back != m || sum != count {
			t.Fatalf("step %d: runs %v do not make up the set", i, runs(&m))
		}
	}
}

func TestBitmapRuns(t *testing.T) {
	for _, c := range []struct {
		name string
		set  []run
		want []run
	}{
		{"none", nil, nil},
		{"all", []run{{0, 1024}}, []run{{0, 1024}}},
		{"more than all", []run{{-5, 5000}}, []run{{0, 1024}}},
		{"ends", []run{{0, 1}, {1023, 1}}, []run{{0, 1}, {1023, 1}}},
		{"across words", []run{{60, 10}, {120, 200}}, []run{{60, 10}, {120, 200}}},
		{"next to each other", []run{{60, 4}, {64, 4}}, []run{{60, 8}}},
		{"nothing", []run{{5, 0}, {5, -3}, {1024, 1}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Bitmap
			for _, r := range c.set {
				m.SetRange(r.First, r.N)
			}
			if diff := cmp.Diff(c.want, runs(&m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBitmapMeets(t *testing.T) {
	a, b, c := bitmap(1, 1023), bitmap(2, 1023), bitmap(2, 1022)
	if !a.Meets(&b) || a.Meets(&c) || a.Meets(&Bitmap{}) {
		t.Error("sets meet where they should not, or the other way round")
	}
}
