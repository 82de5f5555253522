package frisbee

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
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
}

// adapt ends a round if it is time. The lock is held.
func (s *Server) adapt(now time.Duration) {
	elapsed := now - s.turn.from
	if s.governor == nil || elapsed < round || s.turn.blocks < enough {
		return
	}
	lost := s.roster.lost(now, s.turn.blocks, s.o.Share)
	was := s.pace.rate
	s.governor.step(measure{
		now: now, elapsed: elapsed, bits: float64(s.turn.blocks) * s.pace.block,
		loss: float64(lost) / float64(s.turn.blocks), overruns: s.turn.overruns,
	})
	s.turn = turn{}
	if s.pace.rate = s.governor.rate; s.pace.rate != was {
		s.o.Log.Debug("frisbee changes its rate", "from", int64(was), "to", int64(s.pace.rate), "lost", lost)
	}
}

// lost is how many blocks of so many sent were lost by those whom the rate
// waits for, in the round that ends.
func (r *roster) lost(now time.Duration, sent int, share float64) uint64 {
	var all []uint64
	for _, c := range r.clients {
		if !c.left && now-c.last < forget {
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
