package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Missing gives the bytes of the file that are needed and have not arrived, in
// whole blocks but for the end of the file.
func (c *Client) Missing() extent.Set {
	var ranges []extent.Range
	add := func(k int32, first, n int) {
		off := int64(k)*wire.ChunkSize + int64(first)*int64(c.blockSize)
		end := min(off+int64(n)*int64(c.blockSize), int64(c.o.Bytes))
		if last := len(ranges) - 1; last >= 0 && ranges[last].End == off {
			ranges[last].End = end
		} else {
			ranges = append(ranges, extent.Range{Off: off, End: end})
		}
	}
	for i := range c.chunks {
		k := int32(i)
		switch s := c.slotOf(k); {
		case s != nil:
			for first, n := range s.missing.Runs() {
				add(k, first, n)
			}
		case c.chunks[k].lacks():
			add(k, 0, c.layout.Len(k))
		}
	}
	return extent.NewSet(ranges...)
}

// Supply takes data that came by other means. off is the start of a block. It
// takes whole blocks, and the end of the file, and tells how many bytes it has
// taken: what it did not need counts too. If a whole block is left, no buffer
// was free for its chunk: it can be given again after a Release. Where no
// release is to come, because all buffers are being filled, it drops one of
// those, so what is missing may grow.
func (c *Client) Supply(now time.Duration, off int64, data []byte) int {
	c.clock(now)
	size := int64(c.blockSize)
	if off < 0 || off%size != 0 {
		return 0
	}
	taken := 0
	for off < int64(c.o.Bytes) {
		n := int(min(size, int64(c.o.Bytes)-off))
		if len(data) < n {
			break
		}
		k, index := int32(off/wire.ChunkSize), int(off%wire.ChunkSize/size)
		if c.chunks[k].lacks() {
			s := c.slotOf(k)
			if s == nil {
				if c.filling == len(c.slots) {
					c.drop(c.emptiest())
				}
				if s = c.claim(k, 0); s == nil {
					break
				}
				c.supplied(s)
			}
			if s.missing.Has(index) {
				c.count.Supplied++
				c.put(s, index, data[:n])
			}
		}
		taken += n
		off += int64(n)
		data = data[n:]
	}
	if c.o.Eager {
		c.look(now)
	}
	return taken
}

// emptiest is the buffer that lacks most, where all are being filled.
func (c *Client) emptiest() *slot {
	most := &c.slots[0]
	for i := range c.slots {
		if s := &c.slots[i]; s.lacks > most.lacks {
			most = s
		}
	}
	return most
}

// Again makes a chunk lacking once more, because what arrived was not good. Its
// buffer is to be released like any other.
func (c *Client) Again(k int32) {
	if k < 0 || int(k) >= len(c.chunks) || !c.chunks[k].is(done) {
		return
	}
	c.chunks[k].flags &^= done
	c.lacking++
	c.order.rewind()
	c.eager.next = 0
}
