package frisbee

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
)

const (
	// unknownLink is what an interface that does not tell its speed is taken
	// for, bit/s.
	unknownLink = 1e9
	// fileShare is the part of a link's speed that is left for file data by
	// headers, and by others who use it.
	fileShare = 0.93
	// fastLink is a rate, bit/s, beyond which the links of clients are likely to
	// be slower than the server's.
	fastLink = 2.5e9
	// far is how many times the median loss a client must have to be left
	// behind.
	far = 4
)

// newGovernor is nil where the rate is fixed.
func newGovernor(o ServerOptions) *governor {
	if o.Rate > 0 {
		return nil
	}
	most := float64(o.MaxRate)
	if most <= 0 {
		most = linkRate(o.Interface) * fileShare
	}
	g := &governor{least: min(float64(o.MinRate), most), most: most}
	g.set(most / 2)
	if most > fastLink {
		g.set(most / 4)
	}
	return g
}

// linkRate is the speed of an interface, bit/s.
func linkRate(name string) float64 {
	b, err := os.ReadFile("/sys/class/net/" + name + "/speed")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n > 0 {
			return float64(n) * 1e6
		}
	}
	return unknownLink
}

// turn is what is counted in a round.
type turn struct {
	from, last time.Duration // of sending
	blocks     int
	overruns   int
	fresh, all uint64 // blocks taken from the queue: those that nobody had before, and all
	lag        uint64 // ms between the last sending of a chunk and a request for it, for each block asked for again
	asked      uint64 // those
}

// passed is what was sent of a chunk.
type passed struct {
	at     uint32 // stamp of when something last was
	blocks uint16 // up to all that it has
}

// took counts what is about to be sent. The lock is held.
func (s *Server) took(now time.Duration, w *queue.Work) {
	p := &s.sent[w.Chunk]
	fresh := uint16(0)
	if !w.Coded {
		fresh = uint16(min(int(w.Count), s.layout.Len(w.Chunk)-int(p.blocks)))
	}
	p.at = stamp(now)
	p.blocks += fresh
	s.turn.fresh += uint64(fresh)
	s.turn.all += uint64(w.Count)
}

// late counts blocks asked for again of a chunk that was last sent at a stamp.
func (t *turn) late(now time.Duration, at uint32, blocks uint64) {
	t.lag += blocks * uint64(stamp(now)-at)
	t.asked += blocks
}

// again is the share of what is sent that was sent before: what losses cost.
func (t *turn) again() float64 {
	if t.all == 0 {
		return 0
	}
	return 1 - float64(t.fresh)/float64(t.all)
}

// delay is how long after its sending a block was asked for again, on the average.
func (t *turn) delay() time.Duration {
	if t.asked == 0 {
		return 0
	}
	return time.Duration(t.lag/t.asked) * time.Millisecond
}

// adapt ends a round if it is time. The lock is held.
func (s *Server) adapt(now time.Duration) {
	elapsed := now - s.turn.from
	if s.governor == nil || elapsed < s.governor.round() || s.turn.blocks < enough {
		return
	}
	lost := s.roster.lost(now, s.turn.blocks, s.o.Share)
	was := s.pace.rate
	// What clients lose, each something else, adds up to more than it costs to
	// repair, and what is repaired may have been lost by those who do not count.
	loss := min(float64(lost)/float64(s.turn.blocks), s.turn.again())
	s.governor.step(measure{
		now: now, elapsed: elapsed, bits: float64(s.turn.blocks) * s.pace.block,
		loss: loss, lag: s.turn.delay(), overruns: s.turn.overruns, coded: s.queue.Codes(), alone: s.roster.here == 1,
	})
	if s.pace.rate = s.governor.rate; s.pace.rate != was {
		s.o.Log.Debug("frisbee changes its rate", "from", int64(was), "to", int64(s.pace.rate), "lost", lost, "loss", float32(loss), "lag", s.turn.delay())
	}
	s.turn = turn{}
}

// lost is how many blocks of so many sent were lost by those whom the rate
// waits for, in the round that ends.
func (r *roster) lost(now time.Duration, sent int, share float64) uint64 {
	var all []uint64
	for _, c := range r.clients {
		if r.counts(c, now) && c.behind == 0 {
			all = append(all, c.lost)
		}
		c.total += c.lost
		c.lost = 0
	}
	slices.Sort(all)
	decide := int(math.Ceil(share * float64(len(all))))
	var sum uint64
	for i, n := range all {
		if i < decide || n <= far*all[len(all)/2]+uint64(tolerable*float64(sent)) {
			sum += n
		}
	}
	return sum
}
