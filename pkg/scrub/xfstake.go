package scrub

import "github.com/orbit-pxe/orbit/pkg/extent"

// take takes the record that path leads to out of the tree of owners. No block
// but the root may have less than half of what there is room for: one that
// would gets an entry of a block beside it, or becomes one with it, which takes
// an entry out of the block above.
func (x *xfsVolume) take(path []*xfsStep, group int64, agf *xfsBlock) error {
	for level, s := range path {
		s.put(s.i, nil)
		if level == len(path)-1 {
			x.change(s.xfsBlock)
			return x.lower(s, group, agf)
		}
		if s.count() >= s.room()/2 {
			x.rekey(path[level:])
			return nil
		}
		x.change(s.xfsBlock)
		if joined, err := x.fill(s, path[level+1], group, agf); err != nil {
			return err
		} else if !joined {
			x.rekey(path[level:])
			return nil
		}
	}
	return nil
}

// lower makes the only child of the root the root.
func (x *xfsVolume) lower(root *xfsStep, group int64, agf *xfsBlock) error {
	if root.level == 0 || root.count() > 1 {
		return nil
	}
	agf.put32(agfOwners, root.child(0))
	agf.put32(agfLevels, uint32(root.level))
	return x.drop(root, group, agf)
}

// fill gives a block that lacks one an entry of a block beside it, below the
// same parent. Where these have none to spare it joins the block and one of
// them, and has the parent's index at the entry that has to go.
func (x *xfsVolume) fill(s, parent *xfsStep, group int64, agf *xfsBlock) (joined bool, err error) {
	var other *xfsStep
	side := 0
	for _, to := range []int{-1, 1} {
		i := parent.i + to
		if i < 0 || i >= parent.count() {
			continue
		}
		side = to
		if other, err = x.step(xfsOwners, group, parent.child(i), s.level); err != nil {
			return false, err
		}
		if other.off == s.off {
			return false, xfsDamaged("a block of group %d has a child twice", group)
		}
		if n := other.count(); n > other.room()/2 {
			if side < 0 {
				s.put(0, other.item(n-1))
				other.put(n-1, nil)
			} else {
				s.put(s.count(), other.item(0))
				other.put(0, nil)
			}
			copy(parent.entry(i), other.bounds())
			x.change(other.xfsBlock)
			return false, nil
		}
	}
	if other == nil {
		return false, xfsDamaged("group %d has a block that is its parent's only one", group)
	}
	left, right := s, other
	if side < 0 {
		left, right = other, s
	} else {
		parent.i++
	}
	for i := range right.count() {
		left.put(left.count(), right.item(i))
	}
	copy(parent.entry(parent.i-1), left.bounds())
	x.change(left.xfsBlock)
	if left.u32(treeRight) != parent.child(parent.i) {
		return false, xfsDamaged("the levels of a tree of group %d do not add up", group)
	}
	return true, x.unlink(left, right, group, agf)
}

// unlink takes the block to the right of one out of their level.
func (x *xfsVolume) unlink(left, right *xfsStep, group int64, agf *xfsBlock) error {
	next := right.u32(treeRight)
	if next != xfsNull {
		s, err := x.step(xfsOwners, group, next, right.level)
		if err != nil {
			return err
		}
		if s.u32(treeLeft) != left.u32(treeRight) {
			return xfsDamaged("the levels of a tree of group %d do not add up", group)
		}
		s.put32(treeLeft, right.u32(treeLeft))
		x.change(s.xfsBlock)
	}
	left.put32(treeRight, next)
	return x.drop(right, group, agf)
}

// drop gives a block of the tree of owners back to the list that it came from.
// Its owner stays: the list's is that of the tree.
func (x *xfsVolume) drop(s *xfsStep, group int64, agf *xfsBlock) error {
	if agf.u32(agfTrees) == 0 || agf.u32(agfOwnSize) == 0 {
		return xfsDamaged("group %d counts too few blocks of its trees", group)
	}
	agf.put32(agfTrees, agf.u32(agfTrees)-1)
	agf.put32(agfOwnSize, agf.u32(agfOwnSize)-1)
	delete(x.changed, s.off)
	x.freed.Add(extent.Range{Off: s.off, End: s.off + x.Block}) // it may have been a file's before it was the tree's
	return x.keep(group, agf, x.place(s, group), 1)
}
