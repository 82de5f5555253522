package btrfs

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Bits of a chunk's type.
const (
	typeKinds = 7      // data, system, metadata
	typeRAID0 = 1 << 3 // since Linux 5.15 on one device too
	typeDup   = 1 << 5
)

const (
	chunkHead  = 48
	stripeSize = 32
	maxChunks  = 1 << 20 // of 1 GiB commonly: far beyond any device
)

// chunk says where a range of logical addresses is on the device.
type chunk struct {
	start, length int64
	kind          uint64
	copies        []int64 // physical, all of length bytes
	group         bool    // its block group's item was seen
	want          uint64  // bytes used, by that item
	used          uint64  // bytes used, by the extent items
}

func (c *chunk) end() int64 { return c.start + c.length }

// chunks are all of them, by their start.
type chunks []chunk

// find is the chunk that holds all of a range, or nil.
func (c chunks) find(at, size int64) *chunk {
	i := sort.Search(len(c), func(i int) bool { return c[i].end() > at })
	if i == len(c) || at < c[i].start || size > c[i].end()-at {
		return nil
	}
	return &c[i]
}

// locate gives the physical addresses of a logical range's copies.
func (c chunks) locate(at, size int64) ([]int64, error) {
	in := c.find(at, size)
	if in == nil {
		return nil, unsafef("logical address %d, of %d bytes, is in no chunk", at, size)
	}
	copies := make([]int64, len(in.copies))
	for i, p := range in.copies {
		copies[i] = p + at - in.start
	}
	return copies, nil
}

// readChunks reads the chunk tree, by the chunks that the superblock has.
func (v *volume) readChunks() error {
	system, err := v.s.systemChunks()
	if err != nil {
		return err
	}
	v.chunks = system
	var all chunks
	devices := 0
	err = v.walk(v.s.chunkRoot, whole, func(k key, data []byte) error {
		switch {
		case k.object == devItems && k.kind == devItem:
			devices++
			return v.s.checkDevice(k, data)
		case k.object == firstChunkObject && k.kind == chunkItem && len(all) < maxChunks:
			c, n, err := v.s.parseChunk(k, data)
			if err == nil && n != len(data) {
				err = unsafef("chunk %d has %d bytes too many", k.offset, len(data)-n)
			}
			all = append(all, c)
			return err
		}
		return unsafef("unexpected item %v in the chunk tree", k)
	})
	if err != nil {
		return err
	}
	if devices != 1 {
		return unsafef("the chunk tree has %d devices", devices)
	}
	for _, c := range system {
		other := all.find(c.start, c.length)
		if other == nil || other.kind != c.kind || other.length != c.length || !slices.Equal(other.copies, c.copies) {
			return unsafef("superblock and chunk tree differ on the chunk at %d", c.start)
		}
	}
	v.chunks = all
	return all.check()
}

// checkDevice compares the device's item with the superblock's copy of it.
func (s *super) checkDevice(k key, data []byte) error {
	if len(data) < 98 {
		return unsafef("item of device %d has %d bytes", k.offset, len(data))
	}
	id, total := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
	if id != s.devID || k.offset != id || total != uint64(s.total) || [16]byte(data[82:98]) != s.fsid {
		return unsafef("item of device %d, of %d bytes, is not as the superblock says", k.offset, total)
	}
	return nil
}

// systemChunks are those that hold the chunk tree.
func (s *super) systemChunks() (chunks, error) {
	var all chunks
	for b := s.array; len(b) > 0; {
		if len(b) < keySize {
			return nil, unsafef("system chunk array ends early")
		}
		c, n, err := s.parseChunk(parseKey(b), b[keySize:])
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		for i := len(all) - 1; i > 0 && all[i].start < all[i-1].start; i-- {
			all[i], all[i-1] = all[i-1], all[i] // there are few
		}
		b = b[keySize+n:]
	}
	return all, all.check()
}

// parseChunk decodes a chunk at the beginning of b and tells its length there.
func (s *super) parseChunk(k key, b []byte) (chunk, int, error) {
	le := binary.LittleEndian
	if k.object != firstChunkObject || k.kind != chunkItem || len(b) < chunkHead {
		return chunk{}, 0, unsafef("no chunk where one should be")
	}
	length, stripes := le.Uint64(b), int(le.Uint16(b[44:]))
	c := chunk{kind: le.Uint64(b[24:])}
	want := 0
	switch c.kind &^ typeKinds {
	case 0, typeRAID0:
		want = 1
	case typeDup:
		want = 2
	}
	if c.kind&typeKinds == 0 || stripes == 0 || stripes != want {
		return c, 0, unsafef("chunk at %d is of type %#x with %d stripes, not for one device", k.offset, c.kind, stripes)
	}
	n := chunkHead + stripes*stripeSize
	sector := uint64(s.sectorSize)
	if length == 0 || length%sector != 0 || k.offset%sector != 0 || length > uint64(s.total) || k.offset > math.MaxInt64-length || n > len(b) {
		return c, 0, unsafef("chunk at %d of %d bytes is impossible", k.offset, length)
	}
	c.start, c.length = int64(k.offset), int64(length)
	for x := b[chunkHead:n]; len(x) > 0; x = x[stripeSize:] {
		id, off := le.Uint64(x), le.Uint64(x[8:])
		if id != s.devID {
			return c, 0, unsafef("chunk at %d is on device %d, which is not here", k.offset, id)
		}
		if off%sector != 0 || off > uint64(s.total)-length {
			return c, 0, unsafef("chunk at %d is at %d on the device, not within it", k.offset, off)
		}
		c.copies = append(c.copies, int64(off))
	}
	return c, n, nil
}

// stripes are all copies of all chunks, as they lie on the device.
func (c chunks) stripes() places {
	var all places
	for i := range c {
		for _, p := range c[i].copies {
			all = append(all, place{i, p})
		}
	}
	sort.Sort(all)
	return all
}

// check tells whether any two overlap, as logical or physical addresses.
func (c chunks) check() error {
	for i := 1; i < len(c); i++ {
		if c[i-1].end() > c[i].start {
			return unsafef("the chunks at %d and %d overlap", c[i-1].start, c[i].start)
		}
	}
	all := c.stripes()
	for i := 1; i < len(all); i++ {
		if all[i-1].physical+c[all[i-1].i].length > all[i].physical {
			return unsafef("chunks overlap on the device at %d", all[i].physical)
		}
	}
	return nil
}

// physical is where the logical addresses of used are, in all copies.
func (c chunks) physical(used extent.Set) extent.Set {
	var out extent.Set
	for _, p := range c.stripes() {
		of := &c[p.i]
		for r := range used.Within(extent.Range{Off: of.start, End: of.end()}) {
			out.Add(r.Shift(p.physical - of.start))
		}
	}
	return out
}
