package order

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSort(t *testing.T) {
	type pair struct{ key, place int }
	compare := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
	for n := range 200 {
		s := make([]pair, n)
		for i := range s {
			s[i] = pair{rand.IntN(n/2 + 1), i}
		}
		want := slices.Clone(s)
		slices.SortStableFunc(want, compare)
		stable := slices.Clone(s)
		if Stable(stable, compare); !slices.Equal(stable, want) {
			t.Fatalf("stable: %v, want %v", stable, want)
		}
		if Sort(s, compare); !slices.IsSortedFunc(s, compare) {
			t.Fatalf("not sorted: %v", s)
		}
	}
}
