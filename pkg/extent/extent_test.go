package extent

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bits = 200

// bitmap is the plain way to say which bytes are in a set.
type bitmap [bits]bool

func (b *bitmap) fill(r Range, v bool) {
	for i := max(r.Off, 0); i < min(r.End, bits); i++ {
		b[i] = v
	}
}

func (b *bitmap) ranges() []Range {
	var out []Range
	for i := 0; i < bits; i++ {
		if !b[i] {
			continue
		}
		j := i
		for j < bits && b[j] {
			j++
		}
		out = append(out, Range{int64(i), int64(j)})
		i = j
	}
	return out
}

// random makes a set and its bitmap by the same steps.
func random(r *rand.Rand) (Set, bitmap) {
	var s Set
	var b bitmap
	for range r.IntN(30) {
		off := r.Int64N(bits)
		x := Range{off, min(off+r.Int64N(20), bits)}
		if r.IntN(3) > 0 {
			s.Add(x)
			b.fill(x, true)
		} else {
			s.Remove(x)
			b.fill(x, false)
		}
	}
	return s, b
}

func combine(a, b bitmap, f func(x, y bool) bool) []Range {
	for i := range a {
		a[i] = f(a[i], b[i])
	}
	return a.ranges()
}

func TestAgainstBitmaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(what string, got Set, want []Range) {
		t.Helper()
		if diff := cmp.Diff(want, got.Ranges()); diff != "" && (len(want) > 0 || got.Count() > 0) {
			t.Fatalf("%s (-want +got):\n%s", what, diff)
		}
	}
	for range 5000 {
		s, b := random(r)
		u, c := random(r)
		check("add and remove", s, b.ranges())
		check("union", s.Union(u), combine(b, c, func(x, y bool) bool { return x || y }))
		check("intersect", s.Intersect(u), combine(b, c, func(x, y bool) bool { return x && y }))
		check("subtract", s.Subtract(u), combine(b, c, func(x, y bool) bool { return x && !y }))
		check("complement", s.Complement(Range{0, bits}), combine(b, c, func(x, _ bool) bool { return !x }))
		shuffled := s.Ranges()
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		check("new set", NewSet(shuffled...), b.ranges())
		check("clone", s.Clone(), b.ranges())

		off := r.Int64N(bits)
		x := Range{off, min(off+r.Int64N(20), bits)}
		var part bitmap
		part.fill(x, true)
		want := combine(b, part, func(x, y bool) bool { return x && y })
		check("within", NewSet(slices.Collect(s.Within(x))...), want)
		in := NewSet(want...).Len()
		if s.Contains(x) != (in == x.Len()) || s.Overlaps(x) != (in > 0) {
			t.Fatalf("%v in %v: contains %v, overlaps %v", x, s.Ranges(), s.Contains(x), s.Overlaps(x))
		}
		aligned := s.Align(8)
		for a := range aligned.All() {
			if a.Off%8 != 0 || a.End%8 != 0 {
				t.Fatalf("align gives %v", a)
			}
		}
		if !s.Subtract(aligned).Empty() {
			t.Fatalf("align loses something of %v: %v", s.Ranges(), aligned.Ranges())
		}
	}
}

func TestAlignAtTheEnd(t *testing.T) {
	got := Range{5, math.MaxInt64}.Align(1 << 20)
	if want := (Range{0, math.MaxInt64 >> 20 << 20}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
