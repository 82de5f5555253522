package scrub

import (
	"bytes"
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// xfsTree is one kind of B+tree of a group: of inodes, of owners, of shared
// extents. A leaf has records that begin with their keys; a node has keys, two
// for each child in the tree of owners, and behind the room for all of them
// the children's blocks.
type xfsTree struct {
	magic               string
	record, key, stride int // bytes
}

var (
	xfsInodes = xfsTree{"IAB3", 16, 4, 4}
	xfsUnused = xfsTree{"FIB3", 16, 4, 4}
	xfsOwners = xfsTree{"RMB3", 24, 20, 40}
	xfsShared = xfsTree{"R3FC", 12, 4, 4}
)

// Where a block of a tree has the blocks beside it on its level, and its entries.
const (
	treeLeft  = 8
	treeRight = 12
	treeHead  = 56
)

// xfsStep is a block of a tree, and the entry in it that was taken: -1 for none.
type xfsStep struct {
	*xfsBlock
	tree  xfsTree
	level int
	i     int
}

func (s *xfsStep) count() int { return s.u16(6) }

// room is for how many entries there is.
func (s *xfsStep) room() int {
	if s.level == 0 {
		return (len(s.b) - treeHead) / s.tree.record
	}
	return (len(s.b) - treeHead) / (s.tree.stride + 4)
}

// entry is the record, or the keys, with an index.
func (s *xfsStep) entry(i int) []byte {
	if s.level == 0 {
		return s.at(treeHead+i*s.tree.record, s.tree.record)
	}
	return s.at(treeHead+i*s.tree.stride, s.tree.stride)
}

// child is the block of the child with an index.
func (s *xfsStep) child(i int) uint32 { return s.u32(treeHead + s.room()*s.tree.stride + 4*i) }

// step loads a block of a tree.
func (x *xfsVolume) step(tree xfsTree, group int64, block uint32, level int) (*xfsStep, error) {
	off, err := x.block(group, block)
	if err != nil {
		return nil, err
	}
	p, err := x.load(off, x.Block, xfsKind{tree.magic, 52, 32})
	if err != nil {
		return nil, err
	}
	s := &xfsStep{xfsBlock: p, tree: tree, level: level, i: -1}
	if s.u16(4) != level || int64(s.u32(48)) != group || int64(s.u64(16))*512 != off || s.count() > s.room() || level > 0 && s.count() == 0 {
		return nil, xfsDamaged("block %d of group %d is not sound", block, group)
	}
	return s, nil
}

// place is the block within a group that a step is.
func (x *xfsVolume) place(s *xfsStep, group int64) uint32 {
	return uint32(s.off/x.Block - group*x.GroupBlocks)
}

// item is an entry as put takes it: a record, or keys and the child's block.
func (s *xfsStep) item(i int) []byte {
	b := bytes.Clone(s.entry(i))
	if s.level > 0 {
		b = binary.BigEndian.AppendUint32(b, s.child(i))
	}
	return b
}

// put makes room for an item at an index and puts it there, or with nil takes
// the one there out.
func (s *xfsStep) put(i int, item []byte) {
	n, all := s.count(), s.b[treeHead:]
	shift := func(all []byte, size int, new []byte) {
		if item == nil {
			copy(all[i*size:], all[(i+1)*size:n*size])
			clear(all[(n-1)*size : n*size])
			return
		}
		copy(all[(i+1)*size:], all[i*size:n*size])
		copy(all[i*size:], new)
	}
	change := 1
	if item == nil {
		change = -1
	}
	if s.level == 0 {
		shift(all, s.tree.record, item)
	} else {
		keys := min(len(item), s.tree.stride)
		children := all[s.room()*s.tree.stride:]
		shift(all[:len(all)-len(children)], s.tree.stride, item[:keys])
		shift(children, 4, item[keys:])
	}
	s.put16(6, n+change)
}

// descend goes from the root of a group's tree, which has so many levels, to
// the last record whose key begins with no more than key. The first step is
// the leaf, the last the root.
func (x *xfsVolume) descend(tree xfsTree, group int64, root, levels uint32, key []byte) ([]*xfsStep, error) {
	if levels < 1 || levels > 9 {
		return nil, xfsDamaged("a tree of group %d has %d levels", group, levels)
	}
	path := make([]*xfsStep, levels)
	for level := int(levels) - 1; level >= 0; level-- {
		s, err := x.step(tree, group, root, level)
		if err != nil {
			return nil, err
		}
		path[level] = s
		for s.i+1 < s.count() && bytes.Compare(s.entry(s.i + 1)[:len(key)], key) <= 0 {
			s.i++
		}
		if level > 0 {
			s.i = max(s.i, 0)
			root = s.child(s.i)
		}
	}
	return path, nil
}

// alone gives the parts of an extent that no other file has.
func (x *xfsVolume) alone(e xfsExtent, each func(extent.Range) error) error {
	agf, err := x.header(e.group, 1)
	if err != nil {
		return err
	}
	base := e.disk.Off - int64(e.block)*x.Block
	for end := int64(e.block) + int64(e.count); end > int64(e.block); {
		start, next := int64(e.block), int64(e.block)
		path, err := x.descend(xfsShared, e.group, agf.u32(88), agf.u32(92), binary.BigEndian.AppendUint32(nil, uint32(end-1)))
		if err != nil {
			return err
		}
		if leaf := path[0]; leaf.i >= 0 {
			shared := binary.BigEndian.Uint32(leaf.entry(leaf.i))
			start = max(start, min(int64(shared)+int64(binary.BigEndian.Uint32(leaf.entry(leaf.i)[4:])), end))
			next = int64(shared)
			if start == int64(e.block) {
				next = start // it is wholly before
			}
		}
		if r := (extent.Range{Off: base + start*x.Block, End: base + end*x.Block}); !r.Empty() {
			if err := each(r); err != nil {
				return err
			}
		}
		end = next
	}
	return nil
}
