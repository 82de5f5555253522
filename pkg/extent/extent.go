// Package extent computes with sets of byte ranges: what of a disk is in use,
// must be zero, or differs.
package extent

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/order"
)

// Range is the bytes from Off up to, not including, End.
type Range struct {
	Off, End int64
}

// Len is the number of bytes in r; an inverted range has none.
func (r Range) Len() int64 { return max(r.End-r.Off, 0) }

// Empty tells whether r has no bytes.
func (r Range) Empty() bool { return r.End <= r.Off }

// Intersect is what r and s have in common, perhaps empty.
func (r Range) Intersect(s Range) Range {
	return Range{max(r.Off, s.Off), min(r.End, s.End)}
}

// Shift is r moved by n bytes.
func (r Range) Shift(n int64) Range { return Range{r.Off + n, r.End + n} }

// Align is r grown outwards to multiples of n bytes. What would grow beyond
// the largest int64 is cut to the largest multiple below it.
func (r Range) Align(n int64) Range {
	if r.Empty() {
		return Range{}
	}
	off := r.Off - r.Off%n
	if r.End > math.MaxInt64-n {
		return Range{off, math.MaxInt64 / n * n}
	}
	return Range{off, (r.End + n - 1) / n * n}
}

func (r Range) String() string { return fmt.Sprintf("[%d, %d)", r.Off, r.End) }

// Set is a set of bytes. The zero value is empty. The methods that change a
// set change it alone; those that return one leave their operands as they are.
type Set struct {
	r []Range // sorted, none empty, none touching another
}

// NewSet is the union of ranges, in any order.
func NewSet(ranges ...Range) Set {
	sorted := make([]Range, 0, len(ranges))
	for _, r := range ranges {
		if !r.Empty() {
			sorted = append(sorted, r)
		}
	}
	order.Sort(sorted, func(a, b Range) int {
		switch {
		case a.Off < b.Off:
			return -1
		case a.Off > b.Off:
			return 1
		}
		return 0
	})
	var s Set
	for _, r := range sorted {
		s.push(r)
	}
	return s
}

// push adds a range that does not begin before the last one.
func (s *Set) push(r Range) {
	if r.Empty() {
		return
	}
	if n := len(s.r); n > 0 && s.r[n-1].End >= r.Off {
		s.r[n-1].End = max(s.r[n-1].End, r.End)
		return
	}
	s.r = append(s.r, r)
}

// Add puts r into the set. Adding in ascending order costs no search.
func (s *Set) Add(r Range) {
	if r.Empty() {
		return
	}
	if n := len(s.r); n == 0 || r.Off >= s.r[n-1].Off {
		s.push(r)
		return
	}
	i := sort.Search(len(s.r), func(i int) bool { return s.r[i].End >= r.Off })
	j := i
	for j < len(s.r) && s.r[j].Off <= r.End {
		r = Range{min(r.Off, s.r[j].Off), max(r.End, s.r[j].End)}
		j++
	}
	s.r = slices.Replace(s.r, i, j, r)
}

// Remove takes the bytes of r out of the set.
func (s *Set) Remove(r Range) {
	if r.Empty() {
		return
	}
	i := sort.Search(len(s.r), func(i int) bool { return s.r[i].End > r.Off })
	j := i
	var keep []Range
	for j < len(s.r) && s.r[j].Off < r.End {
		if left := (Range{s.r[j].Off, r.Off}); !left.Empty() {
			keep = append(keep, left)
		}
		if right := (Range{r.End, s.r[j].End}); !right.Empty() {
			keep = append(keep, right)
		}
		j++
	}
	if i != j {
		s.r = slices.Replace(s.r, i, j, keep...)
	}
}

// Clone is a set of its own with the same bytes.
func (s Set) Clone() Set { return Set{slices.Clone(s.r)} }

// All gives the ranges in order: none is empty, none touches another.
func (s Set) All() iter.Seq[Range] { return slices.Values(s.r) }

// Ranges is All as a slice of its own.
func (s Set) Ranges() []Range { return slices.Clone(s.r) }

// Count is the number of ranges.
func (s Set) Count() int { return len(s.r) }

// Len is the number of bytes.
func (s Set) Len() int64 {
	n := int64(0)
	for _, r := range s.r {
		n += r.Len()
	}
	return n
}

// Empty tells whether there are no bytes in s.
func (s Set) Empty() bool { return len(s.r) == 0 }

// End is the end of the last range, 0 for the empty set.
func (s Set) End() int64 {
	if len(s.r) == 0 {
		return 0
	}
	return s.r[len(s.r)-1].End
}

// Equal tells whether s and t hold the same bytes.
func (s Set) Equal(t Set) bool { return slices.Equal(s.r, t.r) }
