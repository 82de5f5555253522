package receive

import (
	"crypto/subtle"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// system are equations between the missing blocks of a chunk: coded blocks, of
// which some were added to others, so that each has a block of its own, its
// pivot, that is the first one missing in it. The right side of each is kept in
// the chunk's buffer, where that block is to be. So a system needs no more than
// about 130 bytes for each equation, and has no more than blocks are missing.
type system struct {
	rows   []row
	at     [wire.MaxBlocks]int16 // number of a row plus one, by pivot
	pivots wire.Bitmap
}

type row struct {
	pivot  int
	blocks wire.Bitmap // the pivot, and others that were missing once
}

func (y *system) reset() {
	if y != nil {
		*y = system{rows: y.rows[:0]}
	}
}

// Coded takes a coded block that arrived. Its data is copied.
func (c *Client) Coded(now time.Duration, m *wire.Coded) {
	if len(m.Data) != c.blockSize || c.layout.CheckCoded(m) != nil {
		c.count.Bad++
		return
	}
	c.quiet, c.backoff = now, 0
	c.clock(now)
	st := &c.chunks[m.Chunk]
	if c.o.Eager {
		c.batch(now, m)
		defer c.afterBlock(now)
	}
	s := c.slotOf(m.Chunk)
	if s == nil {
		switch {
		case st.is(done):
			c.count.DupDone++
		case st.is(wanted):
			// The server has come to what was asked for of it, so nobody has any more.
			st.flags &^= queued
			c.count.NoBuffer++
		default:
			c.count.Unwanted++
		}
		return
	}
	if s.system == nil {
		s.system = new(system)
	}
	copy(c.sum, m.Data)
	blocks := m.Blocks
	if !c.insert(s, &blocks) {
		c.count.DupOpen++
		return
	}
	c.count.Coded++
	c.idle = c.o.IdleTicks
	c.eager.useful = now
	c.settle(s)
}

// insert adds the equation between some blocks and the client's sum, which is
// changed. It tells whether the equation says anything new.
func (c *Client) insert(s *slot, blocks *wire.Bitmap) bool {
	y := s.system
	for {
		known := *blocks
		known.AndNot(&s.missing)
		known.Sum(c.sum, s.data)
		blocks.AndNot(&known)
		pivot, n := blocks.Run(0)
		if n == 0 {
			return false
		}
		at := y.at[pivot]
		if at == 0 {
			y.rows = append(y.rows, row{pivot, *blocks})
			y.at[pivot] = int16(len(y.rows))
			y.pivots.Set(pivot)
			copy(c.block(s, pivot), c.sum)
			return true
		}
		r := &y.rows[at-1]
		for i, w := range r.blocks {
			blocks[i] ^= w
		}
		subtle.XORBytes(c.sum, c.sum, c.block(s, pivot))
	}
}

// yield makes room for a block that has come by itself. If an equation has its
// place, that goes to the client's sum, to be inserted again.
func (c *Client) yield(s *slot, block int) (blocks wire.Bitmap, ok bool) {
	y := s.system
	if y == nil || y.at[block] == 0 {
		return blocks, false
	}
	i, end := y.at[block]-1, len(y.rows)-1
	blocks = y.rows[i].blocks
	copy(c.sum, c.block(s, block))
	y.at[block] = 0
	y.pivots.Clear(block)
	if int(i) < end {
		y.rows[i] = y.rows[end]
		y.at[y.rows[i].pivot] = i + 1
	}
	y.rows = y.rows[:end]
	return blocks, true
}

// settle solves the system if it tells all that is missing, and hands the chunk
// over if it is complete. It tells whether it is.
func (c *Client) settle(s *slot) bool {
	if y := s.system; s.lacks > 0 && y != nil && len(y.rows) == s.lacks {
		for b := wire.MaxBlocks - 1; b >= 0; b-- {
			if i := y.at[b]; i != 0 {
				others := y.rows[i-1].blocks
				others.Clear(b)
				others.Sum(c.block(s, b), s.data)
			}
		}
		c.count.Solved += uint64(s.lacks)
		s.missing, s.lacks = wire.Bitmap{}, 0
	}
	if s.lacks > 0 {
		return false
	}
	c.complete(s)
	return true
}

// block is the place of a block.
func (c *Client) block(s *slot, b int) []byte { return s.data[b*c.blockSize:][:c.blockSize] }

// needs are the blocks that would be enough to have the chunk.
func (s *slot) needs() wire.Bitmap {
	m := s.missing
	if s.system != nil {
		m.AndNot(&s.system.pivots)
	}
	return m
}
