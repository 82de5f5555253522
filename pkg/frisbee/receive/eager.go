package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// window is how many blocks of other chunks must have come before a pass
	// over a chunk counts as ended: what is late by less is only reordered.
	window = 32
	// skew is by how much requests of different senders may reach the server in
	// another order than they reach us, ms. A server that codes holds requests
	// back that have had their turn, for heldBack more and two windows.
	skew     = 4
	heldBack = 16
	// horizon is for how long the server is to have work.
	horizon = 50 * time.Millisecond
	// maxQueue bounds the chunks that are believed to wait at the server.
	maxQueue = 256
)

// eager is what an eager client makes of what flows. A server works through its
// queue in order, and through each entry in ascending order of blocks. So a
// block that came tells two things: the missing blocks before it in its pass
// are lost, and so is what was asked for before its chunk was, if it has not
// come.
type eager struct {
	heard   uint64        // blocks of the file that came
	looked  uint64        // heard at the last look
	current int32         // chunk of the last block
	served  uint32        // stamp: the server has come to what was asked then
	queue   []int32       // needed chunks asked for as a whole, of which no block has come
	fill    time.Duration // when to ask for new chunks, 0 if not planned
	began   bool          // has asked for new chunks
	useful  time.Duration // when the last useful block came
	next    time.Duration // when to look again at the latest

	mark   time.Duration // when the last block came, or silence was last found
	silent int           // silences in a row

	late    time.Duration // for how long a block may be only late
	gap     time.Duration // mean time between blocks, 0 if not known
	gapFrom time.Duration // start of what is measured now
	gapBase uint64        // heard then
}

// init plans the first look: after listening a moment, since others may have
// asked already.
func (e *eager) init(c *Client) {
	e.current = -1
	e.late = c.o.HoldOff / 4
	e.fill = c.o.Timeout/3 + c.holdOff()
	e.next = e.fill
}

// holdOff is a random pause before a request.
func (c *Client) holdOff() time.Duration {
	if c.o.Random == nil {
		return 0
	}
	return time.Duration(c.o.Random(int(c.o.HoldOff/time.Microsecond)+1)) * time.Microsecond
}

// afterBlock looks at what is due, if enough has happened since the last time.
func (c *Client) afterBlock(now time.Duration) {
	e := &c.eager
	if now >= e.next || e.heard-e.looked >= window/2 {
		c.look(now)
	} else {
		e.next = min(e.next, now+time.Millisecond)
	}
}

// look finds what is lost and not asked for, and asks for what is due.
func (c *Client) look(now time.Duration) {
	e := &c.eager
	e.looked = e.heard
	c.measure(now)
	e.next = now + time.Hour
	if c.lacking == 0 || c.muted {
		return
	}
	silence := c.silence(now)
	c.lookSlots(now, silence)
	c.lookQueue(now)
	c.lookAhead(now)
	e.next = min(e.next, e.mark+c.patience())
}

// patience is how long no block must have come for silence. It grows with every
// silence that no block ends.
func (c *Client) patience() time.Duration {
	e := &c.eager
	return max(c.o.Timeout, min(8*e.gap, time.Second)) * time.Duration(2+min(e.silent, maxBackoff))
}

// silence tells whether the server has nothing to send: what was asked for
// before is lost then, but not what was asked a moment ago.
func (c *Client) silence(now time.Duration) bool {
	e := &c.eager
	p := c.patience()
	if now-e.mark < p {
		return false
	}
	e.served = max(e.served, stamp(now-c.o.Timeout/4))
	e.mark = now
	e.silent++
	c.count.Timeouts++
	return true
}

// lookSlots asks for what is missing of chunks being filled, where no pass goes
// on and nobody has asked.
func (c *Client) lookSlots(now time.Duration, silence bool) {
	e := &c.eager
	for i := range c.slots {
		s := &c.slots[i]
		if s.state != filling {
			continue
		}
		if (s.left() > 0 || s.batch > 0) && !silence && e.heard-s.heard < window {
			continue
		}
		s.end()
		s.batch = 0
		st := &c.chunks[s.chunk]
		if st.at == 0 || c.passedBy(now, st) {
			s.asked, s.promised = wire.Bitmap{}, 0
			st.at = 0
		}
		need := c.lacks(s)
		switch {
		case need.Empty():
			s.due = 0
			continue
		case s.due == 0:
			s.due = max(now, e.mark+e.late) + c.holdOff()
		}
		if s.due <= now && c.ask(now, s.chunk, &need) {
			s.due, s.dubious = 0, false
			c.note(now, s.chunk, &need)
			continue
		}
		e.next = min(e.next, max(s.due, now+time.Millisecond))
	}
}

// lookQueue forgets about requests for whole chunks that were lost.
func (c *Client) lookQueue(now time.Duration) {
	keep := c.eager.queue[:0]
	for _, k := range c.eager.queue {
		st := &c.chunks[k]
		if c.passedBy(now, st) {
			st.flags &^= queued
			st.at = 0
		}
		if st.is(queued) && st.lacks() {
			keep = append(keep, k)
		}
	}
	c.eager.queue = keep
}

// lookAhead keeps the server's queue filled with new chunks.
func (c *Client) lookAhead(now time.Duration) {
	e := &c.eager
	if !e.began && e.useful > 0 && now < 10*c.o.Timeout && now-e.useful < c.o.Timeout {
		e.fill = e.useful + c.o.Timeout // others ask: learn first what is on its way
	}
	short := c.shortage()
	switch {
	case short <= 0 || c.empty <= len(e.queue) || c.filling+len(e.queue) >= c.most():
		if e.began {
			e.fill = 0
		}
		return
	case e.fill == 0:
		e.fill = now + c.holdOff()
	}
	if now < e.fill {
		e.next = min(e.next, e.fill)
		return
	}
	e.fill = 0
	for short > 0 && c.empty > len(e.queue) && c.filling+len(e.queue) < c.most() {
		k, ok := c.pick()
		if !ok || !c.askWhole(now, k) {
			break
		}
		e.began = true
		var all wire.Bitmap
		all.SetRange(0, c.layout.Len(k))
		c.note(now, k, &all)
		short -= c.layout.Len(k)
	}
}

// most is how many chunks may be filled at a time when new ones are asked for:
// with many losses each takes long, but some buffers are the consumer's.
func (c *Client) most() int { return max(c.o.InProgress, c.o.Buffers*3/4) }

// shortage is how many blocks the server ought to have in its queue for us, and
// has not.
func (c *Client) shortage() int {
	e := &c.eager
	chunk := c.o.Geometry.Blocks()
	want := c.o.ReadAhead * chunk
	if e.gap > 0 {
		want = max(want, int(min(horizon/e.gap, time.Duration(c.o.InProgress*chunk))))
	}
	for _, k := range e.queue {
		want -= c.layout.Len(k)
	}
	for i := range c.slots {
		if s := &c.slots[i]; s.state == filling {
			open := s.missing
			for j, w := range s.asked {
				open[j] &= w
			}
			want -= open.Count()
		}
	}
	return want
}

// pick is the next chunk to ask for. It carries on a run that somebody has
// begun, so that a room of clients does not ask for many runs at a time.
func (c *Client) pick() (int32, bool) {
	e := &c.eager
	fresh := func(k int32) bool {
		st := &c.chunks[k]
		return st.lacks() && st.slot == 0 && !st.is(queued)
	}
	last := e.current
	if n := len(e.queue); n > 0 {
		last = e.queue[n-1]
	}
	if k, ok := c.order.after(last); last >= 0 && ok && fresh(k) {
		return k, true
	}
	pick, found := int32(0), false
	c.order.walk(c.over, func(k int32) bool {
		if fresh(k) {
			pick, found = k, true
		}
		return !found
	})
	return pick, found
}
