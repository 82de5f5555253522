package frisbee

import (
	"math"
	"testing"
	"time"
)

// channel is a network in virtual time: what is sent beyond its capacity is lost
// to all, what is lost at random to each, and losses are asked for late.
type channel struct {
	capacity float64   // bit/s, 0 is none
	random   float64   // share of blocks that any of the room loses at any rate
	local    float64   // bit/s that this machine's interface takes, 0 is any
	lag      int       // rounds until losses are asked for
	smear    int       // rounds over which clients ask for what one cost
	coded    bool      // repairs are
	drown    bool      // beyond its capacity it takes the less the more comes
	late     []float64 // lost, in each grain of time so far
}

const grain = 30 * time.Millisecond

// round is one of the governor's, of so long.
func (c *channel) round(every time.Duration, rate float64) measure {
	m := measure{elapsed: every, coded: c.coded}
	if c.local > 0 && rate > c.local {
		rate = c.local
		m.overruns = 3
	}
	m.bits = rate * every.Seconds()
	arrives := 1 - c.random
	if c.capacity > 0 {
		over := min(1, c.capacity/rate)
		if arrives *= over; c.drown {
			arrives *= over
		}
	}
	for range every / grain {
		c.late = append(c.late, 1-arrives)
	}
	m.lag = time.Duration(c.lag) * round
	last := len(c.late) - 1 - c.lag*int(round/grain)
	n := max(1, c.smear*int(round/grain))
	for at := max(0, last-n+1); at <= last; at++ {
		m.loss += c.late[at] / float64(n)
	}
	return m
}

func TestGovernor(t *testing.T) {
	for _, c := range []struct {
		name string
		channel
		from, most float64
		within     time.Duration // until when the rate is to be found
		least, top float64       // bit/s, the mean from then on
		loss       float64       // mean from then on, at most
	}{
		{"free", channel{}, 100e6, 1e9, 3 * time.Second, 1e9, 1e9, 0},
		{"a switch port", channel{capacity: 300e6}, 250e6, 1e9, 5 * time.Second, 270e6, 310e6, 0.02},
		{"a slow room", channel{capacity: 50e6}, 250e6, 1e9, 6 * time.Second, 40e6, 52e6, 0.03},
		{"a fast server", channel{capacity: 95e6}, 2.3e9, 9.3e9, 8 * time.Second, 80e6, 97e6, 0.03},
		{"a much faster server", channel{capacity: 20e6}, 2e9, 9e9, 20 * time.Second, 16e6, 21e6, 0.03},
		{"a fast server, losses at random", channel{capacity: 95e6, random: 0.05}, 2.3e9, 9.3e9, 8 * time.Second, 80e6, 98e6, 0.09},
		{"asked late", channel{capacity: 300e6, lag: 1}, 250e6, 1e9, 8 * time.Second, 260e6, 320e6, 0.04},
		{"asked very late", channel{capacity: 300e6, lag: 2}, 250e6, 1e9, 8 * time.Second, 260e6, 330e6, 0.06},
		{"losses at random", channel{random: 0.01}, 250e6, 1e9, 5 * time.Second, 1e9, 1e9, 0.011},
		{"many losses at random", channel{random: 0.2}, 250e6, 1e9, 8 * time.Second, 0.95e9, 1e9, 0.21},
		{"a room of losses at random", channel{random: 0.67, lag: 1}, 250e6, 1e9, 8 * time.Second, 0.9e9, 1e9, 0.68},
		{"slow machines", channel{capacity: 20e6, lag: 8, drown: true}, 465e6, 1e9, 20 * time.Second, 10e6, 22e6, 0.2},
		{"slow machines that ask by and by", channel{capacity: 20e6, lag: 1, smear: 6, drown: true}, 465e6, 1e9, 8 * time.Second, 10e6, 22e6, 0.2},
		{"losses at random, asked for by and by", channel{random: 0.2, smear: 4}, 250e6, 1e9, 10 * time.Second, 0.9e9, 1e9, 0.21},
		{"losses at random, repairs coded", channel{random: 0.25, coded: true}, 250e6, 1e9, 8 * time.Second, 0.95e9, 1e9, 0.26},
		{"machines that half drown, repairs coded", channel{capacity: 200e6, lag: 1, smear: 3, drown: true, coded: true}, 250e6, 1e9, 8 * time.Second, 100e6, 220e6, 0.15},
		{"both", channel{random: 0.05, capacity: 300e6}, 250e6, 1e9, 8 * time.Second, 260e6, 310e6, 0.08},
		{"this machine's interface", channel{local: 186e6}, 250e6, 1e9, 3 * time.Second, 186e6, 210e6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := governor{rate: c.from, least: 8e6, most: c.most}
			var rate, loss float64
			n := 0
			for now, every := time.Duration(0), g.round(); now < 60*time.Second; now += every {
				every = g.round()
				m := c.round(every, g.rate)
				m.now = now
				if now >= c.within {
					rate += g.rate
					loss += c.late[len(c.late)-1]
					n++
				}
				g.step(m)
			}
			rate, loss = rate/float64(n), loss/float64(n)
			if rate < c.least*0.999 || rate > c.top*1.001 || loss > c.loss+1e-9 || math.IsNaN(loss) {
				t.Errorf("mean rate %.1f Mbit/s and loss %.3f; want %.1f to %.1f and at most %.3f", rate/1e6, loss, c.least/1e6, c.top/1e6, c.loss)
			}
		})
	}
}

// TestGovernorBounds checks that a round in which little is wanted, or nothing
// but losses is measured, leaves the rate within its bounds.
func TestGovernorBounds(t *testing.T) {
	g := governor{rate: 100e6, least: 8e6, most: 200e6}
	for i := range 100 {
		g.step(measure{now: time.Duration(i) * round, elapsed: round, bits: 1e6, loss: float64(i%7) * 3, overruns: i % 3})
		if g.rate < g.least || g.rate > g.most || math.IsNaN(g.rate) {
			t.Fatalf("round %d: rate %v", i, g.rate)
		}
	}
	g = governor{rate: 100e6, least: 8e6, most: 200e6}
	for i := range 10 {
		g.step(measure{now: time.Duration(i) * round, elapsed: round, bits: 1e6})
	}
	if g.rate != 100e6 {
		t.Errorf("the rate is %v after rounds in which nobody wanted more", g.rate)
	}
}
