package xfs

import (
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// maxLevels is the tallest B+tree that there can be.
const maxLevels = 9

// group is what the headers of one allocation group say.
type group struct {
	*Super
	number  int64
	length  int64    // blocks
	root    uint32   // of the tree of free extents by block
	levels  uint32   // of that tree
	free    uint32   // blocks in that tree
	longest uint32   // blocks of its longest extent
	list    []uint32 // blocks kept for the trees' growth
	trees   uint32   // blocks of the trees of free space, roots apart
}

// readGroup reads the four sectors that a group begins with.
func readGroup(r io.ReaderAt, s *Super, number int64) (*group, error) {
	b := make([]byte, 4*s.Sector)
	if err := readAt(r, b, number*s.GroupBlocks*s.Block, "group headers"); err != nil {
		return nil, err
	}
	agf, agi, agfl := b[s.Sector:2*s.Sector], b[2*s.Sector:3*s.Sector], b[3*s.Sector:]
	if number > 0 && string(b[:4]) != "XFSB" {
		return nil, unsafe("group %d has no copy of the superblock", number)
	}
	be := binary.BigEndian
	g := &group{
		Super: s, number: number, length: s.Length(number),
		root: be.Uint32(agf[16:]), levels: be.Uint32(agf[28:]),
		free: be.Uint32(agf[52:]), longest: be.Uint32(agf[56:]), trees: be.Uint32(agf[60:]),
	}
	for _, h := range []struct {
		b                    []byte
		magic                string
		number, length       int
		uuid, sum, onlyCheck int
	}{
		{agf, "XAGF", 8, 12, 64, 216, 0},
		{agi, "XAGI", 8, 12, 296, 312, 0},
		{agfl, "XAFL", 4, -1, 8, 32, 5}, // without a header before version 5
	} {
		switch {
		case s.Version < h.onlyCheck:
		case string(h.b[:4]) != h.magic:
			return nil, unsafe("group %d has no %s header", number, h.magic)
		case int64(be.Uint32(h.b[h.number:])) != number:
			return nil, unsafe("group %d has the %s header of another", number, h.magic)
		case h.length > 0 && int64(be.Uint32(h.b[h.length:])) != g.length:
			return nil, unsafe("group %d has %d blocks, its %s header says otherwise", number, g.length, h.magic)
		case h.length > 0 && be.Uint32(h.b[4:]) != 1:
			return nil, unsafe("group %d has an unknown version of the %s header", number, h.magic)
		case s.Version == 5 && [16]byte(h.b[h.uuid:]) != s.Owner:
			return nil, unsafe("group %d has the %s header of another filesystem", number, h.magic)
		case s.Version == 5 && !SumOK(h.b, h.sum):
			return nil, unsafe("group %d has a wrong checksum in the %s header", number, h.magic)
		}
	}
	if g.levels < 1 || g.levels > maxLevels {
		return nil, unsafe("group %d has a free space tree of %d levels", number, g.levels)
	}
	return g, g.readList(agf, agfl)
}

// readList reads the ring of blocks that are set aside for the trees: those
// between the first and the last that the AGF names.
func (g *group) readList(agf, agfl []byte) error {
	be := binary.BigEndian
	if g.Version == 5 {
		agfl = agfl[36:]
	}
	size := uint32(len(agfl) / 4)
	first, last, count := be.Uint32(agf[40:]), be.Uint32(agf[44:]), be.Uint32(agf[48:])
	if count == 0 {
		return nil
	}
	if first >= size || last >= size || (last+size-first)%size+1 != count {
		return unsafe("group %d keeps %d blocks for its trees from %d to %d of %d", g.number, count, first, last, size)
	}
	for i := range count {
		n := be.Uint32(agfl[(first+i)%size*4:])
		if !g.holds(n) {
			return unsafe("group %d keeps block %d for its trees", g.number, n)
		}
		g.list = append(g.list, n)
	}
	return nil
}

// holds tells whether a block is in the group and behind its headers.
func (g *group) holds(block uint32) bool {
	return int64(block) < g.length && int64(block)*g.Block >= 4*g.Sector
}

// bytes is where blocks of the group are on the volume.
func (g *group) bytes(block, count uint32) extent.Range {
	off := (g.number*g.GroupBlocks + int64(block)) * g.Block
	return extent.Range{Off: off, End: off + int64(count)*g.Block}
}
