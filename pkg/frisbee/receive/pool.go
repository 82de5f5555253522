package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

type state uint8

const (
	empty   state = iota
	filling       // blocks are missing
	ready         // complete, in the queue for the consumer
	handed        // the consumer has it
)

// slot is a chunk buffer.
type slot struct {
	state state
	// dubious: filling began after blocks of the chunk had been dropped for
	// lack of a buffer. The rest is not on its way, so the buffer may serve
	// another chunk better.
	dubious bool
	chunk   int32
	missing wire.Bitmap
	lacks   int    // blocks in missing
	data    []byte // made when first needed

	// Of an eager client: what it knows of the server's passes over the chunk.
	asked  wire.Bitmap   // missing blocks that the server is believed to send yet
	cursor int           // after the last block seen in the pass going on, 0 if none is
	heard  uint64        // the client's count of blocks when it saw that one
	due    time.Duration // when to ask for what is missing, 0 if not planned

	// Of coded blocks:
	system   *system // nil until one came
	batch    int     // how many are to follow at once
	promised int     // blocks that somebody asked for who will get coded ones, and we with it; less than 0 if plain ones are to come
}

// Chunk is a complete chunk. Its data belongs to who took it until it is given
// to Release.
type Chunk struct {
	Index int32
	Data  []byte // wire.ChunkSize bytes, fewer at the end of the file

	slot int16
}

// claim finds a buffer for a chunk of which a block has arrived, or nil. index is
// that block's.
func (c *Client) claim(k int32, index int) *slot {
	i := -1
	for j := range c.slots {
		if c.slots[j].state == empty {
			i = j
			break
		}
		if c.slots[j].dubious && index == 0 {
			i = j
		}
	}
	if i < 0 {
		return nil
	}
	s := &c.slots[i]
	if s.state == filling {
		c.drop(s)
	}
	st := &c.chunks[k]
	data := s.data
	if data == nil {
		data = make([]byte, wire.ChunkSize)
	}
	s.system.reset()
	*s = slot{state: filling, chunk: k, data: data, dubious: st.is(dropped), system: s.system}
	s.lacks = c.layout.Len(k)
	s.missing.SetRange(0, s.lacks)
	st.flags &^= dropped
	st.slot = int16(i + 1)
	c.filling++
	c.empty--
	return s
}

// drop forgets what a buffer holds of a chunk.
func (c *Client) drop(s *slot) {
	st := &c.chunks[s.chunk]
	st.slot, st.at = 0, 0
	st.flags |= dropped
	s.state, s.dubious = empty, false
	c.filling--
	c.empty++
	c.count.Dropped++
}

// slotOf is the buffer that a chunk is being filled in, or nil.
func (c *Client) slotOf(k int32) *slot {
	if i := c.chunks[k].slot; i != 0 {
		return &c.slots[i-1]
	}
	return nil
}

// put stores a missing block, and hands the chunk over if it was the last one.
func (c *Client) put(s *slot, index int, data []byte) (complete bool) {
	blocks, moved := c.yield(s, index)
	n := copy(c.block(s, index), data)
	clear(c.block(s, index)[n:])
	s.missing.Clear(index)
	s.lacks--
	if moved {
		c.insert(s, &blocks)
	}
	return c.settle(s)
}

// complete hands a chunk over.
func (c *Client) complete(s *slot) {
	st := &c.chunks[s.chunk]
	c.ready = append(c.ready, st.slot-1)
	st.slot, st.at = 0, 0
	st.flags |= done
	s.state, s.dubious = ready, false
	c.filling--
	c.lacking--
}

// Chunk is the next complete chunk.
func (c *Client) Chunk() (Chunk, bool) {
	if len(c.ready) == 0 {
		return Chunk{}, false
	}
	i := c.ready[0]
	c.ready = append(c.ready[:0], c.ready[1:]...)
	s := &c.slots[i]
	s.state = handed
	n := min(wire.ChunkSize, c.o.Bytes-uint64(s.chunk)*wire.ChunkSize)
	return Chunk{s.chunk, s.data[:n:n], i}, true
}

// Release takes back the buffer of a chunk. One that is not out is ignored.
func (c *Client) Release(now time.Duration, ch Chunk) {
	if ch.slot < 0 || int(ch.slot) >= len(c.slots) || len(ch.Data) == 0 {
		return
	}
	s := &c.slots[ch.slot]
	if s.state != handed || s.chunk != ch.Index {
		return
	}
	c.clock(now)
	c.tempo.now.used += uint64(c.layout.Len(s.chunk))
	s.state = empty
	c.empty++
	if c.o.Eager {
		c.look(now)
	}
}
