package ndz

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"math"

	flate "github.com/orbit-pxe/orbit/pkg/ndz/deflate"
)

const (
	// streamTail is the bytes behind the last block of a stream: an empty one,
	// and the checksum.
	streamTail = len(flate.Tail) + 4

	// worthFilling is how many bytes at the end of a chunk are worth cutting a
	// block in two for.
	worthFilling = 2 << 10
)

// streamHead begins a zlib stream (RFC 1950): a window of 32 KiB, compressed fast.
var streamHead = [2]byte{0x78, 0x01}

// chunker puts packed pieces into chunks.
type chunker struct {
	w     io.Writer
	plan  *plan
	enc   flate.Encoder
	chunk []byte // what waits to be written, the header area excepted
	sum   uint32 // Adler-32 of what is in it
	head  Header // of it
	again []byte // a block that was compressed again
	n     Written
}

func newChunker(w io.Writer, p *plan) *chunker {
	c := &chunker{w: w, plan: p, chunk: make([]byte, 0, ChunkSize)}
	c.n.Version = p.Version
	c.begin(0)
	return c
}

// begin begins a chunk that speaks for the sectors from first on.
func (c *chunker) begin(first uint64) {
	c.chunk = append(c.chunk[:HeaderSize], streamHead[:]...)
	c.sum = 1
	c.head = Header{
		Version: c.plan.Version, ID: c.plan.ID, Index: int32(c.n.Chunks),
		First: first, Regions: c.head.Regions[:0],
	}
}

// room is how many bytes of blocks the chunk still takes.
func (c *chunker) room() int { return ChunkSize - streamTail - len(c.chunk) }

// append adds a piece whose data and blocks these are. It changes c.
func (c *chunker) append(p *piece, packed *packer, data []byte) error {
	begin, from := 0, 0 // in data, where the stream of the chunk begins; in packed
	for i := range p.blocks {
		b := &p.blocks[i]
		z, sum := packed.out[from:packed.ends[i]], packed.sums[i]
		from = packed.ends[i]
		if begin > 0 && b.from-begin < flate.Window {
			// It refers to what is in another chunk.
			z = c.compress(data, b.from, b.to)
		}
		for len(z) > c.room() || !c.takes(b.regions) {
			c.top(data, b, len(z))
			if err := c.finish(b.regions[0].Start); err != nil {
				return err
			}
			begin = b.from
			c.enc.Reset(begin)
			z, sum = c.compress(data, b.from, b.to), adler32.Checksum(data[b.from:b.to])
		}
		c.add(z, sum, b.to-b.from, b.regions)
	}
	if c.plan.Progress != nil {
		c.plan.Progress(p.runs[len(p.runs)-1].End)
	}
	return nil
}

func (c *chunker) compress(data []byte, from, to int) []byte {
	c.again = c.enc.Append(c.again[:0], data, from, to)
	return c.again
}

// takes tells whether the chunk has room for these regions.
func (c *chunker) takes(regions []Region) bool {
	return len(regions) <= c.regionsLeft(regions[0].Start)
}

// regionsLeft is how many regions the chunk still takes if they begin there.
func (c *chunker) regionsLeft(start uint64) int {
	left := c.plan.regions - len(c.head.Regions)
	if n := len(c.head.Regions); n > 0 && c.head.Regions[n-1].End() == start {
		left++ // it makes the last one longer
	}
	return left
}

// top fills the chunk up with the begin of a block that does not fit as a whole,
// and takes that out of the block. size is how long the block is when compressed.
func (c *chunker) top(data []byte, b *block, size int) {
	n, room := 0, c.room()
	for _, r := range b.regions[:min(len(b.regions), c.regionsLeft(b.regions[0].Start))] {
		n += int(r.Count) * Sector
	}
	n = min(n, b.to-b.from-Sector)
	if size > room {
		if room < worthFilling {
			return
		}
		// What does not shrink is stored. The rest shrinks as if all of it were
		// alike, and a little less.
		part := room - flate.Overhead
		if size < b.to-b.from {
			part = (b.to - b.from) * part / size * 31 / 32
		}
		n = min(n, part)
	}
	for range 3 {
		n &^= Sector - 1
		if n <= 0 {
			return
		}
		c.enc.Reset(b.from)
		z := c.compress(data, b.from, b.from+n)
		if len(z) <= room {
			c.add(z, adler32.Checksum(data[b.from:b.from+n]), n, b.cut(n))
			return
		}
		n = n * room / len(z) * 15 / 16
	}
}

// add adds a compressed block of n bytes.
func (c *chunker) add(z []byte, sum uint32, n int, regions []Region) {
	c.chunk = append(c.chunk, z...)
	c.sum = joinSums(c.sum, sum, n)
	c.n.Data += int64(n)
	for _, r := range regions {
		if n := len(c.head.Regions); n > 0 && c.head.Regions[n-1].End() == r.Start {
			c.head.Regions[n-1].Count += r.Count
		} else {
			c.head.Regions = append(c.head.Regions, r)
		}
	}
}

// finish writes the chunk, which speaks for the sectors up to last, and begins
// another. What is free before the next data belongs to the chunk before it.
func (c *chunker) finish(last uint64) error {
	c.chunk = append(c.chunk, flate.Tail[:]...)
	c.chunk = binary.BigEndian.AppendUint32(c.chunk, c.sum)
	c.head.Size, c.head.Last = len(c.chunk)-HeaderSize, last
	c.n.Packed += int64(c.head.Size)
	end := len(c.chunk)
	c.chunk = c.chunk[:ChunkSize]
	clear(c.chunk[end:])
	if err := c.head.Put(c.chunk); err != nil {
		return fmt.Errorf("write chunk %d: %w", c.head.Index, err)
	}
	if _, err := c.w.Write(c.chunk); err != nil {
		return fmt.Errorf("write chunk %d: %w", c.head.Index, err)
	}
	c.n.Chunks++
	if c.n.Chunks > math.MaxInt32 {
		return fmt.Errorf("more than %d chunks", math.MaxInt32)
	}
	c.begin(last)
	return nil
}

// close writes the last chunk.
func (c *chunker) close() (*Written, error) {
	if short := c.plan.size % Sector; short != 0 {
		c.head.Relocs = []Reloc{{Type: RelocShort, Sector: c.plan.sectors - 1, Size: uint64(short)}}
	}
	if err := c.finish(c.plan.sectors); err != nil {
		return nil, err
	}
	return &c.n, nil
}

// cut takes the first n bytes out of the block and returns their regions.
func (b *block) cut(n int) []Region {
	b.from += n
	left := uint64(n / Sector)
	var head []Region
	for i := range b.regions {
		r := &b.regions[i]
		if left < r.Count {
			if left > 0 {
				head = append(head, Region{r.Start, left})
				r.Start += left
				r.Count -= left
			}
			b.regions = b.regions[i:]
			break
		}
		head = append(head, *r)
		left -= r.Count
	}
	return head
}
