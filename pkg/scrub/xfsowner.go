package scrub

import (
	"bytes"
	"encoding/binary"
)

// xfsOwnTrees is who owns the blocks of a group's trees and those kept for them.
const xfsOwnTrees = 1<<64 - 5

// hand makes the trees the owner of an extent of a file. A record of the tree
// of owners has block, count, owner, and a block of the file. Those of extents
// that touch, and are of one owner, have to be one.
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
	x.change(leaf.xfsBlock)
	for _, side := range []int{1, -1} {
		if err := x.merge(path, e.group, side); err != nil {
			return err
		}
	}
	for i, s := range path[1:] {
		copy(s.entry(s.i), path[i].bounds())
		x.change(s.xfsBlock)
	}
	return nil
}

// merge takes the record before or behind the one that path leads to into it,
// if they are of one owner and touch.
func (x *xfsVolume) merge(path []*xfsStep, group int64, side int) error {
	leaf := path[0]
	from, i := leaf, leaf.i+side
	if i < 0 || i >= leaf.count() { // in another leaf
		var err error
		if from, err = x.sibling(path, group, side); from == nil {
			return err
		}
		if i = 0; side < 0 {
			i = from.count() - 1
		}
		if i < 0 || from.count() == 0 {
			return xfsDamaged("group %d has an empty leaf", group)
		}
	}
	be := binary.BigEndian
	ours, other := leaf.entry(leaf.i), from.entry(i)
	first, second := ours, other
	if side < 0 {
		first, second = other, ours
	}
	if be.Uint64(other[8:]) != xfsOwnTrees || be.Uint32(first)+be.Uint32(first[4:]) != be.Uint32(second) {
		return nil
	}
	copy(ours, first[:4])
	be.PutUint32(ours[4:], be.Uint32(first[4:])+be.Uint32(second[4:]))
	from.put(i, nil)
	if from == leaf && side < 0 {
		leaf.i--
	}
	x.change(from.xfsBlock)
	if len(path) == 1 {
		return nil
	}
	if from != leaf {
		copy(path[1].entry(path[1].i+side), from.bounds())
	}
	if from.count() >= from.room()/2 {
		return nil
	}
	if from != leaf {
		return xfsCannot("its group's tree of owners would have too few in a block")
	}
	return x.borrow(path, group)
}

// sibling is the leaf beside the one that path leads to, under the same parent;
// nil if there is none.
func (x *xfsVolume) sibling(path []*xfsStep, group int64, side int) (*xfsStep, error) {
	if len(path) == 1 || path[1].i+side < 0 || path[1].i+side >= path[1].count() {
		return nil, nil
	}
	return x.step(xfsOwners, group, path[1].child(path[1].i+side), 0)
}

// borrow gives a leaf that has too few records one of a leaf beside it.
func (x *xfsVolume) borrow(path []*xfsStep, group int64) error {
	leaf := path[0]
	for _, side := range []int{1, -1} {
		from, err := x.sibling(path, group, side)
		if err != nil {
			return err
		}
		if from == nil || from.count() <= from.room()/2 {
			continue
		}
		if i := from.count() - 1; side < 0 {
			leaf.put(0, bytes.Clone(from.entry(i)))
			leaf.i++
			from.put(i, nil)
		} else {
			leaf.put(leaf.count(), bytes.Clone(from.entry(0)))
			from.put(0, nil)
		}
		copy(path[1].entry(path[1].i+side), from.bounds())
		x.change(from.xfsBlock)
		return nil
	}
	return xfsCannot("its group's tree of owners would have too few in a block")
}

// bounds is the first key of a block of the tree of owners, and the last key
// that a part of one of its extents has: which is not the last extent's, where
// files share blocks.
func (s *xfsStep) bounds() []byte {
	var low, high []byte
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
	return append(low, high...)
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
