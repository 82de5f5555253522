package frisbee

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// TestRank has clients that get so many chunks in a second, and ask for so many
// blocks again in each round, of 1000 sent.
func TestRank(t *testing.T) {
	many := func(n int, f float64) []float64 { return slices.Repeat([]float64{f}, n) }
	for _, x := range []struct {
		name  string
		pace  []float64
		lost  []float64
		share float64
		want  []int
	}{
		{name: "alone", pace: many(1, 3)},
		{name: "slow one of two", pace: []float64{20, 4}, want: []int{1}},
		{name: "slow one of four", pace: []float64{4, 20, 21, 19}, want: []int{0}},
		{name: "slow one of four that is waited for", pace: []float64{4, 20, 21, 19}, share: 1},
		{name: "somewhat slower", pace: []float64{12, 20, 21, 19}},
		{name: "all are slow", pace: []float64{2, 3, 3, 3, 4, 2, 3, 3}},
		{name: "two of twenty", pace: append(many(18, 20), 4, 5), want: []int{18, 19}},
		{name: "half of them", pace: append(many(8, 20), many(8, 4)...)},
		{name: "two of four", pace: []float64{4, 20, 5, 19}},
		{name: "slow, and not known to be", pace: []float64{-1, 20, -1, 19}},
		{name: "nothing happens", pace: many(4, 0)},
		{name: "loses much", lost: []float64{0, 0, 200, 0}, want: []int{2}},
		{name: "loses some by chance", lost: []float64{0, 0, 6, 0}},
		{name: "one of two loses much", lost: []float64{0, 200}},
		{name: "all lose much", lost: []float64{190, 200, 210, 180}},
	} {
		t.Run(x.name, func(t *testing.T) {
			n := max(len(x.pace), len(x.lost))
			if x.share == 0 {
				x.share = 0.9
			}
			r := newRoster(100)
			for i := range n {
				r.join(ip(i), uint32(i), 0)
			}
			var now time.Duration
			for k := range 40 {
				now = time.Duration(k+1) * round
				for i := range n {
					c := r.heard(ip(i), now)
					if x.lost != nil {
						c.lost += uint64(x.lost[i])
					}
					if x.pace != nil && x.pace[i] >= 0 && k%4 == 3 {
						c.report(now, uint32(x.pace[i]*now.Seconds()))
					}
				}
				r.rank(now, 1000, x.share)
			}
			who := func() (all []int) {
				for i := range n {
					if r.clients[ip(i)].behind > 0 {
						all = append(all, i)
					}
				}
				return all
			}
			if diff := cmp.Diff(x.want, who()); diff != "" {
				t.Errorf("behind are (-want +got):\n%s", diff)
			}
			r.heard(ip(0), now+3*forget)
			if r.rank(now+3*forget, 1000, x.share); who() != nil {
				t.Errorf("%v are behind when the others are gone", who())
			}
		})
	}
}

// TestBehindQueue has one who is behind ask for chunks again, beside one who asks
// for new ones all the time. It gets one block of nine, chunk by chunk, and all
// when nobody else wants anything.
func TestBehindQueue(t *testing.T) {
	layout, err := wire.NewLayout(wire.Jumbo, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{layout: layout, queue: queue.New(layout, 0), behind: behind{queue: queue.New(layout, 0)}, seen: make([]uint32, 64)}
	whole := func(k int32) *wire.Partial {
		m := &wire.Partial{Chunk: k}
		m.Blocks.SetRange(0, layout.Len(k))
		return m
	}
	add := func(c *member, k int32) {
		m := whole(k)
		if _, err := s.queueFor(c, m).Add(0, m); err != nil {
			t.Fatal(err)
		}
	}
	slow, quick := &member{behind: 3}, &member{}
	for k := range int32(10) {
		s.seen[k] = 1
		add(slow, k)
	}
	add(slow, 63) // new to all
	if n := s.behind.queue.Entries(); n != 10 {
		t.Errorf("%d chunks wait behind the rest", n)
	}
	for k := int32(10); k < 50; k++ {
		add(quick, k)
	}
	var order []int32
	theirs := 0 // before the rest is over
	for {
		w, ok := s.takeWork(0, 8)
		if !ok {
			break
		}
		if len(order) == 0 || order[len(order)-1] != w.Chunk {
			order = append(order, w.Chunk)
			if w.Chunk < 10 && len(order) < 46 {
				theirs++
			}
		}
	}
	if len(order) != 51 || theirs < 4 || theirs > 6 {
		t.Errorf("%d passes over 51 chunks, %d of the first for who is behind: %v", len(order), theirs, order)
	}
	// What is sent anyway need not be sent for it, and what it asks for again comes.
	add(quick, 3)
	m := whole(3)
	if s.queueFor(slow, m); !m.Blocks.Empty() {
		t.Error("a chunk would be sent twice")
	}
	s.takeWork(0, 128)
	add(slow, 9)
	if w, ok := s.takeWork(0, 128); !ok || w.Chunk != 9 {
		t.Errorf("%+v instead of chunk 9 again", w)
	}
}
