package lab

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// travel sends count numbered frames through a line, each a while after the
// one before, and returns the numbers and times in the order of arrival.
func travel(l *line, count, size int, every time.Duration) (order []uint32, at []time.Duration) {
	take := func(now time.Duration) {
		for _, f := range l.take(now) {
			order, at = append(order, binary.BigEndian.Uint32(f.b)), append(at, now)
			l.recycle(f)
		}
	}
	var now time.Duration
	for i := range count {
		for next, ok := l.next(); ok && next < now; next, ok = l.next() {
			take(next)
		}
		f := l.newFrame()
		binary.BigEndian.PutUint32(f.b, uint32(i))
		f.n = size + vnetHeader
		l.put(f, now)
		take(now)
		now += every
	}
	for next, ok := l.next(); ok; next, ok = l.next() {
		take(next)
	}
	return order, at
}

func near(t *testing.T, what string, got, want, bound float64) {
	t.Helper()
	if math.Abs(got-want) > bound {
		t.Errorf("%s: %.4f, want %.4f ± %.4f", what, got, want, bound)
	}
}

const many = 100_000

func TestLineLoses(t *testing.T) {
	l := newLine(1, 2, 64)
	l.Impairment = Impairment{Loss: 0.2}
	order, _ := travel(l, many, 50, time.Microsecond)
	near(t, "share lost", 1-float64(len(order))/many, 0.2, 0.01)
	if want := (Faults{Passed: uint64(len(order)), Lost: uint64(many - len(order))}); l.count != want {
		t.Errorf("counted %+v, want %+v", l.count, want)
	}
}

// bursts are the lengths of the holes in rising numbers.
func bursts(order []uint32) (lengths []int) {
	next := uint32(0)
	for _, v := range order {
		if v > next {
			lengths = append(lengths, int(v-next))
		}
		next = v + 1
	}
	return lengths
}

func mean(lengths []int) float64 {
	var sum int
	for _, n := range lengths {
		sum += n
	}
	return float64(sum) / float64(len(lengths))
}

func TestLineLosesInBursts(t *testing.T) {
	l := newLine(3, 4, 64)
	l.Impairment = Impairment{Bursts: Bursts{Share: 0.1, Mean: 8}}
	order, _ := travel(l, many, 50, time.Microsecond)
	holes := bursts(order)
	near(t, "share lost", 1-float64(len(order))/many, 0.1, 0.015)
	near(t, "mean burst", mean(holes), 8, 1)
	if got := uint64(len(holes)); l.count.Bursts != got || l.count.InBursts != l.count.Lost {
		t.Errorf("counted %+v, want all losses in %d bursts", l.count, got)
	}
	// A burst of one is as likely as the model says, so bursts are not of one size.
	var single float64
	for _, n := range holes {
		if n == 1 {
			single++
		}
	}
	near(t, "share of bursts of one", single/float64(len(holes)), 1.0/8, 0.03)
}

func TestLineDuplicates(t *testing.T) {
	l := newLine(5, 6, 64)
	l.Impairment = Impairment{Duplicate: 0.1}
	order, _ := travel(l, many, 50, time.Microsecond)
	near(t, "share doubled", float64(len(order)-many)/many, 0.1, 0.01)
	if got := uint64(len(order) - many); l.count.Duplicated != got {
		t.Errorf("counted %d twins, saw %d", l.count.Duplicated, got)
	}
}

// late counts the numbers that come after a larger one.
func late(order []uint32) (n int) {
	var top uint32
	for _, v := range order {
		if v < top {
			n++
		}
		top = max(top, v)
	}
	return n
}

func TestLineReorders(t *testing.T) {
	l := newLine(7, 8, 64)
	l.Impairment = Impairment{Reorder: 0.05, Gap: 5}
	order, _ := travel(l, many, 50, time.Microsecond)
	if len(order) != many {
		t.Fatalf("%d of %d frames arrived", len(order), many)
	}
	near(t, "share overtaken", float64(late(order))/many, 0.05, 0.005)
	if got := uint64(late(order)); l.count.Reordered != got {
		t.Errorf("counted %d overtaken, saw %d", l.count.Reordered, got)
	}
	// Each late frame has been overtaken by five that were not held themselves.
	at := make(map[uint32]int)
	for place, v := range order {
		at[v] = place
	}
	if len(at) != many {
		t.Fatalf("%d different frames of %d", len(at), many)
	}
	var top uint32
	for place, v := range order {
		if top = max(top, v); v == top {
			continue
		}
		passed := 0
		for _, w := range order[max(0, place-100):place] {
			if w > v && !lateIn(order, at, w) {
				passed++
			}
		}
		if passed != 5 {
			t.Fatalf("frame %d was overtaken by %d others", v, passed)
		}
	}
}

// lateIn tells whether v comes after a larger number.
func lateIn(order []uint32, at map[uint32]int, v uint32) bool {
	for _, w := range order[max(0, at[v]-100):at[v]] {
		if w > v {
			return true
		}
	}
	return false
}

// A frame is not held for ever when nothing overtakes it.
func TestLineGivesUpReordering(t *testing.T) {
	l := newLine(7, 8, 64)
	l.Impairment = Impairment{Reorder: 1, Gap: 10}
	order, at := travel(l, 4, 50, time.Microsecond)
	if diff := cmp.Diff([]uint32{0, 1, 2, 3}, order); diff != "" || at[0] < maxHold || l.count.Reordered != 0 {
		t.Errorf("order (-want +got):\n%s at %v, %d overtaken", diff, at, l.count.Reordered)
	}
}

func TestLineDelays(t *testing.T) {
	l := newLine(9, 10, 64)
	l.Impairment = Impairment{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}
	const every = 20 * time.Millisecond // apart enough that order does not matter
	order, at := travel(l, 2000, 50, every)
	var sum, low, high float64 = 0, 1, 0
	for i, v := range order {
		d := (at[i] - time.Duration(v)*every).Seconds()
		sum, low, high = sum+d, min(low, d), max(high, d)
	}
	near(t, "mean delay", sum/2000, 0.010, 0.0005)
	near(t, "least delay", low, 0.005, 0.0002)
	near(t, "largest delay", high, 0.015, 0.0002)

	// Close to each other they keep their order.
	order, _ = travel(l, 2000, 50, time.Microsecond)
	if n := late(order); len(order) != 2000 || n != 0 {
		t.Errorf("%d of 2000 arrived, %d of them late", len(order), n)
	}
}

func TestLineLimitsRate(t *testing.T) {
	const size, rate, queue = 1000, 8_000_000, 50_000 // a frame takes a millisecond
	for _, test := range []struct {
		name  string
		every time.Duration
		lost  bool
	}{
		{"slower than the rate", 2 * time.Millisecond, false},
		{"twice as fast", time.Millisecond / 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLine(11, 12, 2048)
			l.Impairment = Impairment{Rate: rate, Queue: queue}
			order, at := travel(l, 1000, size, test.every)
			if lost := l.count.Overflowed > 0; lost != test.lost || len(order)+int(l.count.Overflowed) != 1000 {
				t.Errorf("%d arrived, %d did not fit", len(order), l.count.Overflowed)
			}
			for i := 1; i < len(at); i++ {
				if d := at[i] - at[i-1]; d < time.Millisecond {
					t.Fatalf("frame %d %v after the one before, a frame takes 1 ms", i, d)
				}
			}
			for i, v := range order {
				if d := at[i] - time.Duration(v)*test.every; d > queue*8e9/rate {
					t.Fatalf("frame %d waited %v, longer than the queue is", v, d)
				}
			}
		})
	}
}

// The same seed gives the same faults, whatever the times.
func TestLineRepeats(t *testing.T) {
	i := Impairment{Loss: 0.05, Bursts: Bursts{0.05, 4}, Duplicate: 0.05, Reorder: 0.05}
	run := func(seed uint64, every time.Duration) []uint32 {
		l := newLine(seed, 1, 64)
		l.Impairment = i
		order, _ := travel(l, 5000, 50, every)
		return order
	}
	want := run(1, time.Microsecond)
	if diff := cmp.Diff(want, run(1, 3*time.Microsecond)); diff != "" {
		t.Errorf("the same seed (-want +got):\n%s", diff)
	}
	if cmp.Equal(want, run(2, time.Microsecond)) {
		t.Error("another seed made the same faults")
	}
}

func TestImpairmentChecks(t *testing.T) {
	for _, test := range []struct {
		name string
		i    Impairment
		ok   bool
	}{
		{"none", Impairment{}, true},
		{"all", Impairment{0.1, Bursts{0.1, 5}, 0.1, 0.1, 7, time.Second, time.Second, 1e6, 1e5}, true},
		{"loss of more than all", Impairment{Loss: 1.1}, false},
		{"loss of nothing known", Impairment{Loss: math.NaN()}, false},
		{"negative twins", Impairment{Duplicate: -0.1}, false},
		{"bursts of no length", Impairment{Bursts: Bursts{Share: 0.1}}, false},
		{"bursts all the time", Impairment{Bursts: Bursts{1, 5}}, false},
		{"bursts too short", Impairment{Bursts: Bursts{0.9, 2}}, false},
		{"bursts of NaN", Impairment{Bursts: Bursts{0.1, math.NaN()}}, false},
		{"jitter into the past", Impairment{Delay: 1, Jitter: 2}, false},
		{"no rate to speak of", Impairment{Rate: 1}, false},
		{"negative gap", Impairment{Gap: -1}, false},
	} {
		if err := test.i.check(); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
