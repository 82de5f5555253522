package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// maxBackoff is the most ticks that silence adds to the classic idle time.
const maxBackoff = 33

// request is the classic way to ask: for what is missing of chunks being filled,
// then for new ones. timedOut asks even for what somebody asked for a moment
// ago. It tells whether it asked at all.
func (c *Client) request(now time.Duration, timedOut bool) bool {
	asked := false
	stale := func(st *chunk) bool {
		return timedOut || st.at == 0 || stamp(now)-st.at >= uint32(c.o.Redo/time.Millisecond)
	}
	for i := range c.slots {
		if s := &c.slots[i]; s.state == filling && stale(&c.chunks[s.chunk]) {
			asked = c.ask(now, s.chunk, &s.missing) || asked
			s.dubious = false
		}
	}
	if c.empty == 0 || c.filling >= c.o.InProgress {
		return asked
	}
	left := min(c.o.ReadAhead, c.empty)
	c.order.walk(c.over, func(k int32) bool {
		st := &c.chunks[k]
		if st.slot != 0 {
			return true
		}
		if stale(st) {
			asked = c.askWhole(now, k) || asked
		}
		left--
		return left > 0
	})
	return asked
}

// over tells whether a chunk need not be asked for any more.
func (c *Client) over(k int32) bool { return !c.chunks[k].lacks() }

// ask asks for some blocks of a chunk.
func (c *Client) ask(now time.Duration, k int32, blocks *wire.Bitmap) bool {
	st := &c.chunks[k]
	p := wire.Partial{Chunk: k, Blocks: *blocks}
	if st.is(mine) {
		p.Retries = 1
	}
	if !c.send(now, p, st) {
		return false
	}
	c.count.Partials++
	n := blocks.Count()
	if p.Retries != 0 {
		c.count.Repeats++
		c.count.Again += uint64(n)
		if n == c.layout.Len(k) {
			c.count.WholeRepeats++
		}
	}
	return true
}

// askWhole asks for all of a chunk. Asking again is a partial request for all
// blocks, so that the server learns of it.
func (c *Client) askWhole(now time.Duration, k int32) bool {
	n := c.layout.Len(k)
	st := &c.chunks[k]
	if !st.is(mine) {
		return c.send(now, wire.Request{Chunk: k, Count: int32(n)}, st)
	}
	var all wire.Bitmap
	all.SetRange(0, n)
	return c.ask(now, k, &all)
}

func (c *Client) send(now time.Duration, m wire.Message, st *chunk) bool {
	if c.muted || len(c.out) >= maxOut {
		return false
	}
	c.out = append(c.out, m)
	c.count.Requests++
	st.flags = st.flags&^dropped | mine
	if !c.o.Eager {
		st.at = stamp(now)
	}
	return true
}
