package frisbee

import (
	"math"
	"time"
)

const (
	// round is how long is measured before the rate changes.
	round = 300 * time.Millisecond
	// quick is a round as long as no rate was too high for the network or for this
	// machine's interface.
	quick = 90 * time.Millisecond
	// settle are the rounds that pass before what a change did is measured: what
	// is lost is asked for some time later.
	settle = 2
	// enough blocks must be sent in a round to tell anything from it.
	enough = 64
	// tolerable is the share of blocks that may be lost without a reason to look
	// for, beyond what is lost at any rate.
	tolerable = 0.02
	// cheap is as much where repairs are coded: whatever each client has lost, they
	// cost not much more than what the neediest has.
	cheap = 0.05
	// The rate falls by somewhat more than the share that is lost, for what is
	// known of that is old; by shallowest at least and by deepest at most.
	shallowest, deepest = 0.1, 0.5
	// mostLoss is the most that is believed to be lost.
	mostLoss = 0.999
	// hopeless is what no network loses by itself: clients that can take but a
	// fraction of the rate may take less the more they get, and lose as much at
	// half of it. Then the rate falls as far as to what arrives.
	hopeless = 0.7
	// drowned is the same where what is lost is known better: of one client alone,
	// and where repairs are coded, so that not all that anybody has lost adds up.
	drowned = 0.4
	// deep is a fall beyond which the middle is looked at next, before the rate grows
	// with care.
	deep = 0.2
	// unsettled is how many times the losses of a lower rate are those measured at
	// a higher one, if that was too early.
	unsettled = 1.5
	// Beyond where losses began the rate grows by careful in a round, after patient
	// rounds by more, up to boldest times that where losses show at once.
	careful = 0.03
	patient = 8
	boldest = 6
	// mostLag is the most rounds to wait for what a change does.
	mostLag = 20
	// A rate of which less than this share is used is not what losses come from.
	little = 0.3
	// calm is for how long losses are not looked into again when they turned out
	// not to come from the rate.
	calm = 5 * time.Second
)

// governor adapts the rate. It grows until blocks get lost, and then falls to
// what arrives. If the losses go away, or as much arrives as before, the rate
// was too high, and it grows from there with care. If not, they are the
// network's own: the rate goes back to where it was, and only more losses than
// these count from then on.
type governor struct {
	rate, least, most float64 // bit/s

	base float64       // share that is lost at any rate
	top  float64       // rate at which losses began, 0 if none did
	calm time.Duration // losses are not looked into before

	well     int // rounds of growing beyond the top
	slow     int // rounds that the last losses took to show
	settling int // rounds left
	young    int // rounds until losses are those of the present rate
	fell     bool
	full     bool    // the interface has taken no more
	before   float64 // rate before it fell
	loss     float64 // at that rate
	high     float64 // rate before all falls since one did well, 0 if there were none
}

// measure is what happened in a round.
type measure struct {
	now      time.Duration
	elapsed  time.Duration
	bits     float64       // sent
	loss     float64       // blocks lost per block sent
	coded    bool          // repairs are
	alone    bool          // there is one client
	overruns int           // times that the network was full on this machine
	lag      time.Duration // from the sending of a block to the request for it, if it was lost
}

// step adapts the rate to a round.
func (g *governor) step(m measure) {
	m.loss = min(m.loss, mostLoss)
	young := g.young
	g.young = max(0, young-1)
	switch {
	case g.settling > 0:
		if g.settling--; g.fell && g.settling > settle {
			g.loss = max(g.loss, m.loss) // still of the rate before
		}
	case g.fell:
		g.judge(m)
	case m.loss-g.base > m.tolerable()+g.base/2:
		g.fall(m, young)
	default:
		g.grow(m)
	}
}

// round is how long to measure before the next step.
func (g *governor) round() time.Duration {
	if g.top == 0 && !g.fell && !g.full && g.settling == 0 {
		return quick
	}
	return round
}

// fall lowers the rate because of losses.
func (g *governor) fall(m measure, young int) {
	switch {
	case m.now < g.calm && m.loss <= m.hopeless(), m.achieved() < g.rate*little && m.overruns == 0:
	case young > 0:
		// Another rate has caused them. Measure those of this one.
		g.settling, g.young = young-1, 0
	default:
		if g.high == 0 {
			g.high = g.rate
		}
		g.well, g.slow = 0, m.settle()-settle
		g.fell, g.before, g.loss, g.settling = true, g.rate, m.loss, m.settle()
		depth := min(max((m.loss-g.base)*1.25, shallowest), deepest)
		if m.loss > m.hopeless() {
			depth = min(m.loss, 0.9)
		}
		g.set(min(g.rate, m.achieved()*1.1) * (1 - depth))
	}
}

// judge tells whether losses came from the rate, by what a lower one did.
func (g *governor) judge(m measure) {
	g.fell = false
	// Losses of the network's own stay the same share, so that less arrives. Has
	// the fall cost anything?
	fall := g.rate / g.before
	remains := m.loss-g.base > (g.loss-g.base)/2 && (1-m.loss)*fall < (1-g.loss)*(1+fall)/2
	switch {
	case !remains:
	case m.loss > m.hopeless(), m.loss > unsettled*g.loss+m.tolerable():
		// There is further to fall, or clients asked late for what the higher rate
		// had cost them, so that it was not known then.
		g.fall(m, 0)
		return
	case g.loss <= m.hopeless():
		g.base = max(m.loss, g.loss)
		g.set(g.before)
		g.settling, g.calm, g.high = m.settle(), m.now+calm, 0
		return
	}
	g.top = max(g.rate, g.before*(1-max(0, g.loss-g.base)))
	if g.rate < g.high*deep {
		// So far that nothing is known of what lies between.
		g.top = max(g.top, math.Sqrt(g.rate*g.high))
	}
	g.high = 0
}

// grow raises the rate, if more of it would be used.
func (g *governor) grow(m measure) {
	switch {
	case m.overruns > 0:
		// Nothing is lost, but the interface takes no more. If less was sent than it
		// takes, this machine had no time.
		least := g.rate * 0.9
		if !g.full {
			least, g.full = 0, true
		}
		g.set(max(min(g.rate, m.achieved()*1.1), least))
	case m.achieved() < g.rate*0.7:
		// Nobody wants more.
	case g.top == 0 && g.full:
		g.set(g.rate * 1.1)
	case g.top == 0:
		g.set(g.rate * 1.5)
		g.young = m.settle()
	case g.rate < g.top*0.9:
		g.set(g.rate + (g.top-g.rate)/4)
		g.young = m.settle()
	default:
		// The longer all goes well, the further away may the top be by now.
		g.well++
		bold := min(float64(g.well-patient)/3, boldest/float64(1+g.slow))
		g.set(g.rate * (1 + careful*max(1, bold)))
		g.top = max(g.top, g.rate)
	}
	g.base -= (g.base - min(g.base, m.loss)) / 16
}

// settle is how many rounds pass until what a change does can be measured.
func (m *measure) settle() int { return settle + min(int(m.lag/m.elapsed), mostLag) }

// tolerable are losses without a reason to look for, beyond those at any rate.
func (m *measure) tolerable() float64 {
	if m.coded {
		return cheap
	}
	return tolerable
}

// hopeless is the loss beyond which the rate is to blame.
func (m *measure) hopeless() float64 {
	if m.coded || m.alone {
		return drowned
	}
	return hopeless
}

// achieved is what was sent, bit/s.
func (m *measure) achieved() float64 { return m.bits / m.elapsed.Seconds() }

func (g *governor) set(rate float64) { g.rate = min(max(rate, g.least), g.most) }
