package scrub

import (
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// insert puts an item behind the entry that path leads to, in a tree of a
// group. A full block is split: the half behind becomes a new block, of which
// the block above gets an item in the same way.
func (x *xfsVolume) insert(path []*xfsStep, group int64, item []byte) error {
	for level, s := range path {
		at, n := s.i+1, s.count()
		if n < s.room() {
			s.put(at, item)
			x.rekey(path[level:])
			return nil
		}
		next, err := x.another(s, group)
		if err != nil {
			return err
		}
		for i := n / 2; i < n; i++ {
			next.put(next.count(), s.item(i))
		}
		for i := n - 1; i >= n/2; i-- {
			s.put(i, nil)
		}
		if at <= n/2 {
			s.put(at, item)
		} else {
			next.put(at-n/2, item)
		}
		if err := x.link(s, next, group); err != nil {
			return err
		}
		item = x.above(next, group)
		if level == len(path)-1 {
			return x.raise(s, group, item)
		}
		copy(path[level+1].entry(path[level+1].i), s.bounds())
	}
	return nil
}

// above is the item that the block above a block has for it.
func (x *xfsVolume) above(s *xfsStep, group int64) []byte {
	return binary.BigEndian.AppendUint32(s.bounds(), x.place(s, group))
}

// link puts a new block into its level, to the right of one.
func (x *xfsVolume) link(s, next *xfsStep, group int64) error {
	right := s.u32(treeRight)
	if right != xfsNull {
		r, err := x.step(s.tree, group, right, s.level)
		if err != nil {
			return err
		}
		r.put32(treeLeft, x.place(next, group))
		x.change(r.xfsBlock)
	}
	next.put32(treeLeft, x.place(s, group))
	next.put32(treeRight, right)
	s.put32(treeRight, x.place(next, group))
	x.change(s.xfsBlock)
	return nil
}

// raise makes a new root above the one that was split.
func (x *xfsVolume) raise(s *xfsStep, group int64, item []byte) error {
	root, err := x.another(s, group)
	if err != nil {
		return err
	}
	root.level++
	root.put16(4, root.level)
	root.put32(treeLeft, xfsNull)
	root.put32(treeRight, xfsNull)
	root.put(0, x.above(s, group))
	root.put(1, item)
	sector, at := int64(1), agfOwners
	levels := agfLevels
	if s.tree.magic != xfsOwners.magic {
		sector, at, levels = 2, agiUnused, agiUnused+4
	}
	head, err := x.header(group, sector)
	if err != nil {
		return err
	}
	head.put32(at, x.place(root, group))
	head.put32(levels, uint32(root.level)+1)
	x.change(head)
	return nil
}

// another makes an empty block of the tree and level of s from one of the
// group's list. The tree of owners has its blocks from there, and they stay
// free to the superblock. The kernel would take one for the tree of inodes from
// free space: it changes its owner.
func (x *xfsVolume) another(s *xfsStep, group int64) (*xfsStep, error) {
	agf, err := x.header(group, 1)
	if err != nil {
		return nil, err
	}
	block, err := x.draw(group, agf)
	if err != nil {
		return nil, err
	}
	off, err := x.block(group, block)
	if err != nil {
		return nil, err
	}
	if x.changed[off] != nil {
		return nil, xfsDamaged("block %d of group %d is in use, and kept for trees", block, group)
	}
	next := &xfsStep{xfsBlock: &xfsBlock{off: off, b: make([]byte, x.Block), sum: s.sum}, tree: s.tree, level: s.level}
	copy(next.b, s.at(0, treeHead))
	next.put16(6, 0)
	next.put64(16, uint64(off)/512)
	x.change(next.xfsBlock)
	x.freed.Remove(extent.Range{Off: off, End: off + x.Block})
	if s.tree.magic == xfsOwners.magic {
		agf.put32(agfTrees, agf.u32(agfTrees)+1)
		agf.put32(agfOwnSize, agf.u32(agfOwnSize)+1)
		x.change(agf)
		return next, nil
	}
	super, err := x.super()
	if err != nil {
		return nil, err
	}
	super.put64(superFree, super.u64(superFree)-1)
	x.change(super)
	if x.ROCompat&xfsInobtCount != 0 {
		agi, err := x.header(group, 2)
		if err != nil {
			return nil, err
		}
		agi.put32(agiUnusedSize, agi.u32(agiUnusedSize)+1)
		x.change(agi)
	}
	if x.ROCompat&xfsRmap == 0 {
		return next, nil
	}
	return next, x.pass(group, agf, block)
}

// draw takes the first block off the list of a group. It leaves enough for each
// of the group's trees to grow by, which may have to before the kernel is able
// to put more on the list.
func (x *xfsVolume) draw(group int64, agf *xfsBlock) (uint32, error) {
	list, n, err := x.kept(group, agf)
	if err != nil {
		return 0, err
	}
	const byBlock, bySize = 28, 32
	enough := agf.u32(byBlock) + agf.u32(bySize)
	if x.ROCompat&xfsRmap != 0 {
		enough += agf.u32(agfLevels)
	}
	if n <= enough {
		return 0, xfsCannot("its group keeps too few blocks to note that its inode is free")
	}
	first := agf.u32(listFirst)
	agf.put32(listFirst, (first+1)%(uint32(x.Sector-listHead)/4))
	agf.put32(listCount, n-1)
	x.change(agf)
	return list.u32(listHead + 4*int(first)), nil
}
