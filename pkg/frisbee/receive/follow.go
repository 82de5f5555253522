package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// pass follows the server's place in its queue by a block that came.
func (c *Client) pass(now time.Duration, k int32, index int) {
	e := &c.eager
	e.heard++
	e.mark, e.silent = now, 0
	begins := k != e.current
	if s := c.slotOf(k); s != nil {
		if index < s.cursor {
			c.behind(s, index)
		}
		if begins = s.cursor == 0; begins && s.promised > 0 {
			c.coding = false // if it is again, that will show
		}
		s.advance(index, e.heard)
	}
	if begins {
		c.reach(&c.chunks[k])
	}
	e.current = k
}

// behind is for a block that comes after a later one. If it was asked for since,
// and the pass is nearly over, it is of the next pass; else it is late.
func (c *Client) behind(s *slot, index int) {
	e := &c.eager
	if s.asked.Has(index) && s.left() < window/2 {
		s.end()
	} else if s.missing.Has(index) {
		e.late = min(e.late+e.late/16, 2*c.o.HoldOff)
	}
}

// reach notes that the server has come to what was asked of a chunk.
func (c *Client) reach(st *chunk) {
	c.eager.served = max(c.eager.served, st.at)
	st.at = 0
}

// advance moves a pass on to the block after index.
func (s *slot) advance(index int, heard uint64) {
	s.heard = heard
	if index >= s.cursor {
		s.asked.ClearRange(s.cursor, index+1-s.cursor)
		s.cursor = index + 1
	}
}

// left is how many blocks the pass going on has left to bring.
func (s *slot) left() int {
	if s.cursor == 0 {
		return 0
	}
	rest := s.asked
	rest.ClearRange(0, s.cursor)
	return rest.Count()
}

// end ends a pass: what it has not brought is lost.
func (s *slot) end() {
	if s.cursor > 0 {
		s.asked.ClearRange(s.cursor, wire.MaxBlocks)
		s.cursor = 0
	}
}

// opened takes note that a chunk is being filled from this block on. The rest of
// the pass is taken to bring the rest of the chunk.
func (c *Client) opened(s *slot, index int) {
	c.chunks[s.chunk].flags &^= queued
	s.asked = s.missing
	s.advance(index, c.eager.heard)
}

// supplied takes note that a chunk is being filled without the server.
func (c *Client) supplied(s *slot) {
	if st := &c.chunks[s.chunk]; st.is(queued) {
		st.flags &^= queued
		s.asked = s.missing
	}
}

// note takes note of what somebody, maybe we, asked the server for.
func (c *Client) note(now time.Duration, k int32, blocks *wire.Bitmap) {
	e, st := &c.eager, &c.chunks[k]
	if s := c.slotOf(k); s != nil {
		s.asked.Or(blocks)
		c.promise(s, blocks.Count())
	} else if st.lacks() && !st.is(queued) && len(e.queue) < maxQueue && blocks.Count() == c.layout.Len(k) {
		st.flags |= queued
		e.queue = append(e.queue, k)
	}
	if st.at == 0 {
		st.at = stamp(now)
	}
}

// passedBy tells whether the server must have come by what was asked of a
// chunk, or it was so long ago that it does not matter.
func (c *Client) passedBy(now time.Duration, st *chunk) bool {
	return st.at != 0 && (st.at+c.skew() < c.eager.served || stamp(now)-st.at >= uint32(c.o.Redo/time.Millisecond))
}

// measure keeps the mean time between blocks.
func (c *Client) measure(now time.Duration) {
	e := &c.eager
	n := e.heard - e.gapBase
	if n < window {
		return
	}
	gap := (now - e.gapFrom) / time.Duration(n)
	if e.gap == 0 {
		e.gap = gap
	}
	e.gap += (gap - e.gap) / 8
	e.late = max(e.late-e.late/32, c.o.HoldOff/4)
	e.gapBase, e.gapFrom = e.heard, now
}
