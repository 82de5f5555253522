package btrfs

import (
	"encoding/binary"
	"math"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	rootItemSize = 239      // up to what is needed; newer ones go on
	maxRanges    = 4 << 20  // 64 MiB of them, and as much again for each copy
	coarsest     = 64 << 20 // bytes: ranges so far apart cannot be too many
)

// findRoot looks a tree's root up in the tree of roots, or of logs.
func (v *volume) findRoot(tree uint64) (ptr, error) {
	var found ptr
	n := 0
	s := span{key{tree, rootItem, 0}, key{tree, rootItem, math.MaxUint64}}
	err := v.walk(v.s.root, s, func(_ key, data []byte) (err error) {
		n++
		found, err = parseRoot(data, tree)
		return err
	})
	if err == nil && n != 1 {
		err = unsafef("there are %d roots of tree %d", n, tree)
	}
	return found, err
}

func parseRoot(data []byte, owner uint64) (ptr, error) {
	if len(data) < rootItemSize {
		return ptr{}, unsafef("root item of %d bytes", len(data))
	}
	le := binary.LittleEndian
	return root(le.Uint64(data[176:]), le.Uint64(data[160:]), data[238], owner)
}

// readExtents collects what is used, and checks that the books balance.
func (v *volume) readExtents() error {
	p, err := v.findRoot(extentTree)
	if err != nil {
		return err
	}
	s := scan{v: v, grain: v.s.sectorSize}
	if err := v.walk(p, whole, s.visit); err != nil {
		return err
	}
	if v.s.groupTree {
		if s.groups {
			return unsafef("block groups are in the extent tree and in one of their own")
		}
		if p, err = v.findRoot(groupTree); err != nil {
			return err
		}
		err = v.walk(p, whole, func(k key, data []byte) error {
			if k.kind != blockGroupItem {
				return unsafef("unexpected item %v in the block group tree", k)
			}
			return s.visit(k, data)
		})
		if err != nil {
			return err
		}
	}
	return v.balance()
}

func (v *volume) balance() error {
	total := uint64(0)
	for i := range v.chunks {
		c := &v.chunks[i]
		if !c.group {
			return unsafef("the chunk at %d has no block group", c.start)
		}
		if c.used != c.want {
			return unsafef("block group at %d has %d bytes of extents and says %d", c.start, c.used, c.want)
		}
		total += c.used
	}
	if total != v.s.used {
		return unsafef("there are %d bytes of extents, the superblock says %d", total, v.s.used)
	}
	for _, at := range v.seen {
		if !v.used.Contains(extent.Range{Off: at, End: at + v.s.nodeSize}) {
			return unsafef("the extent tree does not know the tree block at %d", at)
		}
	}
	return nil
}

// scan goes through extent items, which are in the order of their addresses.
type scan struct {
	v      *volume
	end    int64 // of the last extent
	grain  int64 // what ranges are rounded to
	groups bool
}

func (s *scan) visit(k key, data []byte) error {
	le := binary.LittleEndian
	switch k.kind {
	case extentItem:
		if len(data) < 24 || k.offset > math.MaxInt64 {
			return unsafef("bad extent item %v", k)
		}
		return s.add(k.object, int64(k.offset))
	case metadataItem:
		if len(data) < 24 || k.offset > maxLevel {
			return unsafef("bad metadata item %v", k)
		}
		return s.add(k.object, s.v.s.nodeSize)
	case blockGroupItem:
		if k.object > math.MaxInt64 || k.offset > math.MaxInt64 || k.offset == 0 || len(data) != 24 {
			return unsafef("bad block group item %v", k)
		}
		c := s.v.chunks.find(int64(k.object), int64(k.offset))
		if c == nil || c.start != int64(k.object) || c.length != int64(k.offset) || c.kind != le.Uint64(data[16:]) || c.group {
			return unsafef("block group at %d of %d bytes is not as its chunk", k.object, k.offset)
		}
		s.groups, c.group, c.want = true, true, le.Uint64(data)
		return nil
	case extentOwnerRef, treeBlockRef, extentDataRef, sharedBlockRef, sharedDataRef:
		return nil
	}
	return unsafef("unexpected item %v in the extent tree", k)
}

// add takes in one extent. Where there are more ranges than memory should be
// spent on, small gaps are closed: too much is kept then, never too little.
func (s *scan) add(object uint64, size int64) error {
	v := s.v
	if object > math.MaxInt64 || int64(object)%v.s.sectorSize != 0 || size <= 0 || size%v.s.sectorSize != 0 {
		return unsafef("extent at %d of %d bytes is impossible", object, size)
	}
	at := int64(object)
	c := v.chunks.find(at, size)
	if c == nil {
		return unsafef("extent at %d of %d bytes is in no chunk", at, size)
	}
	if at < s.end {
		return unsafef("extents overlap at %d", at)
	}
	s.end = at + size
	c.used += uint64(size)
	v.used.Add(extent.Range{Off: at, End: s.end}.Align(s.grain))
	for v.used.Count() > v.limit && s.grain < coarsest {
		s.grain *= 2
		v.used = v.used.Align(s.grain)
	}
	return nil
}
