package ext

import "github.com/orbit-pxe/orbit/pkg/extent"

// Commit brings counts and checksums up to date, and gives the blocks that
// differ, by their numbers, and the bytes that are in use no more. The edit is
// over then.
func (e *Edit) Commit() (blocks map[uint64][]byte, freed extent.Set, err error) {
	v := e.v
	var all counts
	for g, c := range e.free {
		d := e.desc[int64(g)*v.DescSize:][:v.DescSize]
		x := v.Group(g)
		if b := e.blocks[x.BlockBitmap]; b != nil {
			e.putWide(d, 0x0C, 0x2C, uint32(x.Free)+c.blocks)
			if v.HasCsum() {
				e.putWide(d, 0x18, 0x38, crc32c(v.seed, b[:v.ClustersPerGroup/8]))
			}
		}
		if b := e.blocks[x.InodeBitmap]; b != nil {
			e.putWide(d, 0x0E, 0x2E, x.FreeInodes+c.inodes)
			if v.HasCsum() {
				e.putWide(d, 0x1A, 0x3A, crc32c(v.seed, b[:v.InodesPerGroup/8]))
			}
		}
		if v.hasDescCsum() {
			put16(d[0x1E:], v.descCsum(g, d))
		}
		per := v.descPerBlock()
		i := uint64(g) / per
		b, err := e.block(v.descAt(i))
		if err != nil {
			return nil, extent.Set{}, err
		}
		copy(b[int64(uint64(g)%per)*v.DescSize:], d)
		all.blocks += c.blocks
		all.inodes += c.inodes
	}
	if all != (counts{}) {
		b, err := e.block(uint64(superAt / v.Block))
		if err != nil {
			return nil, extent.Set{}, err
		}
		b = b[superAt%v.Block:][:superAt]
		free := lohi(le32(b[0xC:]), 0)
		if v.has64() {
			free = lohi(le32(b[0xC:]), le32(b[0x158:]))
		}
		free += uint64(all.blocks)
		put32(b[0xC:], uint32(free))
		if v.has64() {
			put32(b[0x158:], uint32(free>>32))
		}
		put32(b[0x10:], le32(b[0x10:])+all.inodes)
		if v.HasCsum() {
			put32(b[0x3FC:], crc32c(^uint32(0), b[:0x3FC]))
		}
	}
	freed = extent.NewSet(e.freed...)
	meta, _ := v.metadata()
	if both := meta.Intersect(freed); !both.Empty() {
		return nil, extent.Set{}, v.unsafe("the metadata at %d is also part of a file", both.Ranges()[0].Off)
	}
	for at := range e.blocks {
		if freed.Overlaps(v.bytes(at, 1)) {
			return nil, extent.Set{}, v.unsafe("block %d is a directory or attributes, and part of a file", at)
		}
	}
	return e.blocks, freed, nil
}

// putWide stores a number in the two halves that a descriptor has for it, the
// upper one only in wide descriptors.
func (e *Edit) putWide(d []byte, lo, hi int, n uint32) {
	put16(d[lo:], uint16(n))
	if e.v.has64() {
		put16(d[hi:], uint16(n>>16))
	}
}
