package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// batch follows the server's place in its queue by a coded block that came.
func (c *Client) batch(now time.Duration, m *wire.Coded) {
	e := &c.eager
	e.heard++
	e.mark, e.silent = now, 0
	c.coding = true
	begins := m.Chunk != e.current
	if s := c.slotOf(m.Chunk); s != nil {
		if begins = s.batch == 0; begins {
			s.asked, s.promised = wire.Bitmap{}, 0
		}
		s.cursor = 0
		s.heard, s.batch = e.heard, int(m.Left)
	}
	if begins {
		c.reach(&c.chunks[m.Chunk])
	}
	e.current = m.Chunk
}

// promise notes that somebody asked for n blocks of a chunk.
func (c *Client) promise(s *slot, n int) {
	switch {
	case s.promised < 0:
	case n > c.layout.Codable(s.chunk):
		s.promised = -1
	case n > wire.Few && s.batch == 0: // what comes in a batch may be a part of it
		s.promised = max(s.promised, n)
	}
}

// lacks are the blocks of a chunk to ask for.
func (c *Client) lacks(s *slot) wire.Bitmap {
	need := s.needs()
	open, n := need, need.Count()
	open.AndNot(&s.asked)
	switch {
	case c.coding && n <= s.promised:
		return wire.Bitmap{}
	case c.coding && s.promised >= 0 && n > wire.Few && n <= c.layout.Codable(s.chunk):
		return need // the server is told how much is lacking, not only what nobody has asked for
	}
	return open
}

// skew is by how much the order of what is asked and what comes may differ, ms.
func (c *Client) skew() uint32 {
	if !c.coding {
		return skew
	}
	return skew + heldBack + uint32(2*window*c.eager.gap/time.Millisecond)
}
