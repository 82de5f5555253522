package scrub

import (
	"bytes"
	"encoding/binary"
)

// Who owns the blocks of a group's trees and those kept for them, and who those
// of its trees of inodes.
const (
	xfsOwnTrees  = 1<<64 - 5
	xfsOwnInodes = 1<<64 - 6
)

// Where an AGF has the root of the tree of owners, how many levels and how many
// blocks it has, and how many blocks all trees of the group have but for roots.
const (
	agfOwners  = 24
	agfLevels  = 36
	agfTrees   = 60
	agfOwnSize = 80
)

// hand makes the trees the owner of an extent of a file. A record of the tree
// of owners has block, count, owner, and a block of the file. Those of extents
// that touch, and are of one owner, have to be one.
func (x *xfsVolume) hand(in *xfsInode, e xfsExtent, agf *xfsBlock) error {
	be := binary.BigEndian
	path, err := x.owner(e.group, agf, e.block)
	if err != nil {
		return err
	}
	record := path[0].entry(path[0].i)
	if be.Uint32(record) != e.block || be.Uint32(record[4:]) != e.count || be.Uint64(record[8:]) != in.id {
		return xfsCannot("its blocks are not one piece to their group")
	}
	be.PutUint64(record[8:], xfsOwnTrees)
	be.PutUint64(record[16:], 0)
	x.rekey(path)
	return x.unite(e.group, agf, e.block, e.count, xfsOwnTrees)
}

// pass makes the tree of inodes the owner of a block that the other trees own.
func (x *xfsVolume) pass(group int64, agf *xfsBlock, block uint32) error {
	be := binary.BigEndian
	path, err := x.owner(group, agf, block)
	if err != nil {
		return err
	}
	record := path[0].entry(path[0].i)
	first, n := be.Uint32(record), be.Uint32(record[4:])
	if be.Uint64(record[8:]) != xfsOwnTrees || block-first >= n {
		return xfsDamaged("block %d of group %d is another's, and kept for trees", block, group)
	}
	of := func(block, count uint32, owner uint64) []byte {
		return be.AppendUint64(be.AppendUint64(be.AppendUint32(be.AppendUint32(nil, block), count), owner), 0)
	}
	mine := of(block, 1, xfsOwnInodes)
	if block == first {
		copy(record, mine)
		x.rekey(path)
	} else {
		be.PutUint32(record[4:], block-first)
		x.rekey(path)
		if err := x.insert(path, group, mine); err != nil {
			return err
		}
	}
	if more := n - (block - first) - 1; more > 0 {
		if path, err = x.owner(group, agf, block); err != nil {
			return err
		}
		if err := x.insert(path, group, of(block+1, more, xfsOwnTrees)); err != nil {
			return err
		}
	}
	return x.unite(group, agf, block, 1, xfsOwnInodes)
}

// unite makes one record of that of an extent and those that it touches, where
// their owner is the same and has no blocks with others.
func (x *xfsVolume) unite(group int64, agf *xfsBlock, block, count uint32, owner uint64) error {
	be := binary.BigEndian
	for _, side := range []int{1, -1} {
		path, err := x.owner(group, agf, block)
		if err != nil {
			return err
		}
		other, err := x.beside(path, group, side)
		if err != nil {
			return err
		}
		if other == nil || be.Uint64(other[8:]) != owner {
			continue
		}
		first, n := be.Uint32(other), be.Uint32(other[4:])
		if side > 0 && block+count != first || side < 0 && first+n != block {
			continue
		}
		gone, err := x.owner(group, agf, first)
		if err != nil {
			return err
		}
		if !bytes.Equal(gone[0].entry(gone[0].i), other) {
			return xfsDamaged("the levels of a tree of group %d do not add up", group)
		}
		if err := x.take(gone, group, agf); err != nil {
			return err
		}
		if path, err = x.owner(group, agf, block); err != nil {
			return err
		}
		record := path[0].entry(path[0].i)
		if be.Uint32(record) != block || be.Uint64(record[8:]) != owner {
			return xfsDamaged("group %d has its owners in no order", group)
		}
		block, count = min(block, first), count+n
		be.PutUint32(record, block)
		be.PutUint32(record[4:], count)
		x.rekey(path)
	}
	return nil
}

// owner descends to the last record of an extent that begins at a block or
// before.
func (x *xfsVolume) owner(group int64, agf *xfsBlock, block uint32) ([]*xfsStep, error) {
	path, err := x.descend(xfsOwners, group, agf.u32(agfOwners), agf.u32(agfLevels), binary.BigEndian.AppendUint32(nil, block))
	if err == nil && path[0].i < 0 {
		err = xfsDamaged("nobody owns block %d of group %d", block, group)
	}
	return path, err
}

// beside is the record before or behind the one that path leads to, which may
// be in another leaf; nil if there is none.
func (x *xfsVolume) beside(path []*xfsStep, group int64, side int) ([]byte, error) {
	leaf := path[0]
	if i := leaf.i + side; i >= 0 && i < leaf.count() {
		return leaf.entry(i), nil
	}
	block := leaf.u32(treeRight)
	if side < 0 {
		block = leaf.u32(treeLeft)
	}
	if block == xfsNull {
		return nil, nil
	}
	other, err := x.step(xfsOwners, group, block, 0)
	if err != nil {
		return nil, err
	}
	if other.count() == 0 {
		return nil, xfsDamaged("group %d has an empty leaf", group)
	}
	if side < 0 {
		return other.entry(other.count() - 1), nil
	}
	return other.entry(0), nil
}

// rekey keeps the block that path begins with, and has those above it know what
// it holds.
func (x *xfsVolume) rekey(path []*xfsStep) {
	x.change(path[0].xfsBlock)
	for i, s := range path[1:] {
		copy(s.entry(s.i), path[i].bounds())
		x.change(s.xfsBlock)
	}
}

// bounds is the first key of a block, and in the tree of owners the last key
// that a part of one of its extents has: which is not the last extent's, where
// files share blocks.
func (s *xfsStep) bounds() []byte {
	if s.tree.stride == s.tree.key {
		return bytes.Clone(s.entry(0)[:s.tree.key])
	}
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
