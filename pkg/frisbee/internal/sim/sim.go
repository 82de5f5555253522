// Package sim is a network for tests that has no time but its own: a
// discrete-event simulation of peers that multicast datagrams to one another
// over links that lose, delay, reorder and duplicate, and of a frisbee server
// with the work queue of the real one (docs/frisbee.md). The same seed gives
// the same run.
package sim

import (
	"math/rand/v2"
	"time"
)

// Node is a peer. Its methods are called in the order of virtual time.
type Node interface {
	Packet(now time.Duration, d []byte) // a datagram came; d must not be changed
	Wake(now time.Duration)             // the time that WakeAt was given has come
}

// Link is what happens to datagrams on their way to, or from, a node.
type Link struct {
	Loss   float64       // share that is lost
	Burst  float64       // mean length of a loss, in datagrams, if more than 1; 20 ms at most
	Rate   float64       // bits a second, 0 for no limit
	Delay  time.Duration // of each
	Jitter time.Duration // most that is added, at random: it reorders
	Dup    float64       // share that arrives twice
}

// peer is a node and the state of its links.
type peer struct {
	node    Node
	rx, tx  Link
	rxBad   time.Duration // a burst of losses began, 0 if none goes on
	txBad   time.Duration
	free    time.Duration // when the link from it is free
	gone    bool
	wake    time.Duration // when to wake it, 0 for never
	pending time.Duration // time of the event that will, 0 if none
}

// Net is the network, and the time in it.
type Net struct {
	Rand  *rand.Rand
	now   time.Duration
	peers []*peer
	heap  heap
}

// NewNet is an empty network at time 0.
func NewNet(seed uint64) *Net {
	return &Net{Rand: rand.New(rand.NewPCG(seed, 0x0b17))}
}

// Now is the virtual time.
func (n *Net) Now() time.Duration { return n.now }

// Join adds a node, with the link that datagrams to it take and the one that its
// own take, and gives its number.
func (n *Net) Join(node Node, rx, tx Link) int {
	n.peers = append(n.peers, &peer{node: node, rx: rx, tx: tx})
	return len(n.peers) - 1
}

// Leave takes a node off the network: nothing reaches or wakes it any more.
func (n *Net) Leave(id int) { n.peers[id].gone = true }

// At calls f at a time.
func (n *Net) At(at time.Duration, f func()) { n.heap.push(event{at: max(at, n.now), f: f}) }

// WakeAt wakes a node at a time, and no more at the one that was given before.
func (n *Net) WakeAt(id int, at time.Duration) {
	p := n.peers[id]
	p.wake = max(at, n.now)
	if p.pending == 0 || p.wake < p.pending {
		p.pending = p.wake
		n.heap.push(event{at: p.wake, peer: id + 1})
	}
}

// lost tells whether a link loses the next datagram.
func (n *Net) lost(l *Link, bad *time.Duration) bool {
	if l.Loss <= 0 {
		return false
	}
	if l.Burst <= 1 {
		return n.Rand.Float64() < l.Loss
	}
	if *bad > 0 {
		if n.now-*bad > 20*time.Millisecond || n.Rand.Float64() < 1/l.Burst {
			*bad = 0
		}
	} else if n.Rand.Float64() < l.Loss/(l.Burst*(1-l.Loss)) {
		*bad = n.now
	}
	return *bad > 0
}

func (n *Net) delay(l *Link) time.Duration {
	d := l.Delay
	if l.Jitter > 0 {
		d += time.Duration(n.Rand.Int64N(int64(l.Jitter)))
	}
	return d
}

// Multicast sends a datagram of one node to all others. It must not be changed
// afterwards.
func (n *Net) Multicast(from int, d []byte) {
	src := n.peers[from]
	if src.gone || n.lost(&src.tx, &src.txBad) {
		return
	}
	src.free = max(src.free, n.now)
	if r := src.tx.Rate; r > 0 {
		src.free += time.Duration(float64(len(d)*8) / r * float64(time.Second))
	}
	left := src.free + n.delay(&src.tx)
	for i, p := range n.peers {
		if i == from || p.gone || n.lost(&p.rx, &p.rxBad) {
			continue
		}
		n.heap.push(event{at: left + n.delay(&p.rx), peer: i + 1, d: d})
		if p.rx.Dup > 0 && n.Rand.Float64() < p.rx.Dup {
			n.heap.push(event{at: left + n.delay(&p.rx), peer: i + 1, d: d})
		}
	}
}

// Run lets time pass until done, which is asked after every event, or until the
// limit, or until nothing can happen any more. It tells whether done was.
func (n *Net) Run(limit time.Duration, done func() bool) bool {
	for !done() {
		e, ok := n.heap.pop()
		if !ok || e.at > limit {
			return false
		}
		n.now = e.at
		if e.f != nil {
			e.f()
			continue
		}
		id := e.peer - 1
		p := n.peers[id]
		switch {
		case e.d != nil && !p.gone:
			p.node.Packet(n.now, e.d)
		case e.d == nil:
			p.pending = 0
			if p.gone || p.wake == 0 {
				break
			}
			if at := p.wake; at > n.now {
				n.WakeAt(id, at)
				break
			}
			p.wake = 0
			p.node.Wake(n.now)
		}
	}
	return true
}
