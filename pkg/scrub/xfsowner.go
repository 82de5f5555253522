package scrub

import (
	"bytes"
	"encoding/binary"
)

// xfsOwnTrees is who owns the blocks of a group's trees and those kept for them.
const xfsOwnTrees = 1<<64 - 5

// hand makes the trees the owner of an extent of a file. A record of the tree
// of owners has block, count, owner, and a block of the file. Records that
// follow each other and are of one owner become one, where there are enough.
func (x *xfsVolume) hand(in *xfsInode, e xfsExtent, agf *xfsBlock) error {
	be := binary.BigEndian
	path, err := x.descend(xfsOwners, e.group, agf.u32(24), agf.u32(36), be.AppendUint32(nil, e.block))
	if err != nil {
		return err
	}
	leaf := path[0]
	if leaf.i < 0 {
		return xfsDamaged("nobody owns block %d of group %d", e.block, e.group)
	}
	record := leaf.entry(leaf.i)
	if be.Uint32(record) != e.block || be.Uint32(record[4:]) != e.count || be.Uint64(record[8:]) != in.id {
		return xfsCannot("its blocks are not one piece to their group")
	}
	be.PutUint64(record[8:], xfsOwnTrees)
	be.PutUint64(record[16:], 0)
	least := leaf.room() / 2
	if len(path) == 1 {
		least = 1
	}
	for _, i := range []int{leaf.i, leaf.i - 1} {
		if i < 0 || i+1 >= leaf.count() || leaf.count() <= least {
			continue
		}
		a, b := leaf.entry(i), leaf.entry(i+1)
		end := be.Uint32(a) + be.Uint32(a[4:])
		if end != be.Uint32(b) || be.Uint64(a[8:]) != xfsOwnTrees || be.Uint64(b[8:]) != xfsOwnTrees {
			continue
		}
		be.PutUint32(a[4:], be.Uint32(a[4:])+be.Uint32(b[4:]))
		leaf.put(i+1, nil)
	}
	x.change(leaf.xfsBlock)
	for i, s := range path[1:] {
		low, high := path[i].bounds()
		copy(s.entry(s.i), append(low, high...))
		x.change(s.xfsBlock)
	}
	return nil
}

// bounds is the first key of a block of the tree of owners, and the last key
// that a part of one of its extents has: which is not the last extent's, where
// files share blocks.
func (s *xfsStep) bounds() (low, high []byte) {
	for i := range s.count() {
		first, last := s.entry(i), []byte(nil)
		if s.level == 0 {
			first, last = recordBounds(first)
		} else {
			first, last = first[:20], first[20:40]
		}
		if i == 0 {
			low = bytes.Clone(first)
		}
		if bytes.Compare(last, high) > 0 {
			high = bytes.Clone(last)
		}
	}
	return low, high
}

// recordBounds is the keys of the first and the last block of an extent. Keys
// do not tell whether it is unwritten.
func recordBounds(record []byte) (first, last []byte) {
	be := binary.BigEndian
	const tree, unwritten = 1 << 62, 1 << 61
	block, more, owner, off := be.Uint32(record), be.Uint32(record[4:])-1, be.Uint64(record[8:]), be.Uint64(record[16:])
	off &^= unwritten
	key := func(block uint32, off uint64) []byte {
		return be.AppendUint64(be.AppendUint64(be.AppendUint32(nil, block), owner), off)
	}
	first = key(block, off)
	if owner < 1<<63 && off&tree == 0 {
		off += uint64(more)
	}
	return first, key(block+more, off)
}
