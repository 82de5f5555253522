package frisbee

import "time"

const (
	defaultMaxWait = time.Minute
	// signOfLife is how often a room that waits gets a block: clients that hear
	// nothing believe that multicast does not work, and turn to other means.
	signOfLife = 500 * time.Millisecond
)

// gate keeps a room waiting until enough clients are there: who comes a moment
// later than the first makes the server send again what all others have.
type gate struct {
	clients int           // to wait for
	most    time.Duration // from first on
	first   time.Duration // when anything was first wanted, or 0
	sign    time.Duration // when the next sign of life is due
	open    bool
}

// pass tells how many of so many blocks may be sent now that are wanted. If there
// are none, it tells when there will be some.
func (g *gate) pass(now time.Duration, here, blocks int) (most int, next time.Duration) {
	if g.first == 0 {
		g.first = max(now, 1)
	}
	end := g.first + g.most
	switch {
	case here >= g.clients || now >= end:
		g.open = true
		return blocks, 0
	case now >= g.sign:
		g.sign = now + signOfLife
		return 1, 0
	}
	return 0, min(g.sign, end)
}
