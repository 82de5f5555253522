package extent

import (
	"iter"
	"sort"
)

// Union is the bytes of s, t or both.
func (s Set) Union(t Set) Set {
	var u Set
	i, j := 0, 0
	for i < len(s.r) || j < len(t.r) {
		if j == len(t.r) || i < len(s.r) && s.r[i].Off <= t.r[j].Off {
			u.push(s.r[i])
			i++
		} else {
			u.push(t.r[j])
			j++
		}
	}
	return u
}

// Intersect is the bytes of both s and t.
func (s Set) Intersect(t Set) Set {
	var u Set
	for i, j := 0, 0; i < len(s.r) && j < len(t.r); {
		u.push(s.r[i].Intersect(t.r[j]))
		if s.r[i].End < t.r[j].End {
			i++
		} else {
			j++
		}
	}
	return u
}

// Subtract is the bytes of s that are not in t.
func (s Set) Subtract(t Set) Set {
	var u Set
	j := 0
	for _, r := range s.r {
		for j < len(t.r) && t.r[j].End <= r.Off {
			j++
		}
		for k := j; k < len(t.r) && t.r[k].Off < r.End; k++ {
			u.push(Range{r.Off, t.r[k].Off})
			r.Off = max(r.Off, t.r[k].End)
		}
		u.push(r)
	}
	return u
}

// Complement is the bytes of r that are not in s.
func (s Set) Complement(r Range) Set { return NewSet(r).Subtract(s) }

// Shift is s moved by n bytes.
func (s Set) Shift(n int64) Set {
	u := Set{make([]Range, len(s.r))}
	for i, r := range s.r {
		u.r[i] = r.Shift(n)
	}
	return u
}

// Align is s with every range grown outwards to multiples of n bytes.
func (s Set) Align(n int64) Set {
	var u Set
	for _, r := range s.r {
		u.push(r.Align(n))
	}
	return u
}

// Within gives the parts of s inside r, in order.
func (s Set) Within(r Range) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for i := s.from(r.Off); i < len(s.r) && s.r[i].Off < r.End; i++ {
			if part := s.r[i].Intersect(r); !part.Empty() && !yield(part) {
				return
			}
		}
	}
}

// Contains tells whether every byte of r is in s.
func (s Set) Contains(r Range) bool {
	if r.Empty() {
		return true
	}
	i := s.from(r.Off)
	return i < len(s.r) && s.r[i].Off <= r.Off && s.r[i].End >= r.End
}

// Overlaps tells whether any byte of r is in s.
func (s Set) Overlaps(r Range) bool {
	i := s.from(r.Off)
	return !r.Empty() && i < len(s.r) && s.r[i].Off < r.End
}

// from is the index of the first range that ends behind off.
func (s Set) from(off int64) int {
	return sort.Search(len(s.r), func(i int) bool { return s.r[i].End > off })
}
