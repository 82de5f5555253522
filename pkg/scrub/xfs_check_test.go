package scrub

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// ownersOK sees that the tree of owners of a group is as it has to be, and gives
// its records and blocks.
func (x *xfsVolume) ownersOK(t testing.TB, group int64, agf *xfsBlock) (all []xfsOwned, blocks map[uint32]bool) {
	t.Helper()
	be := binary.BigEndian
	records, blocks := x.treeOK(t, xfsOwners, group, agf.u32(agfOwners), agf.u32(agfLevels))
	for _, b := range records {
		all = append(all, xfsOwned{be.Uint32(b), be.Uint32(b[4:]), be.Uint64(b[8:])})
	}
	if n := agf.u32(agfOwnSize); n != uint32(len(blocks)) {
		t.Errorf("group %d has %d blocks of owners, and says %d", group, len(blocks), n)
	}
	return all, blocks
}

// treeOK sees that a tree is as it has to be: what nodes know of their children,
// how many entries there are, the links of each level.
func (x *xfsVolume) treeOK(t testing.TB, tree xfsTree, group int64, root, levels uint32) (records [][]byte, blocks map[uint32]bool) {
	t.Helper()
	blocks = map[uint32]bool{}
	type link struct{ block, right uint32 }
	last := make([]link, levels)
	for i := range last {
		last[i] = link{xfsNull, xfsNull}
	}
	var check func(block uint32, level int) []byte
	check = func(block uint32, level int) []byte {
		n, err := x.step(tree, group, block, level)
		if err != nil {
			t.Fatal(err)
		}
		if blocks[block] {
			t.Fatalf("block %d is there twice", block)
		}
		blocks[block] = true
		if root := level == int(levels)-1; !root && n.count() < n.room()/2 || root && level > 0 && n.count() < 2 {
			t.Errorf("block %d on level %d has %d entries", block, level, n.count())
		}
		if l := last[level]; n.u32(treeLeft) != l.block || l.block != xfsNull && l.right != block {
			t.Errorf("block %d on level %d is not linked", block, level)
		}
		last[level] = link{block, n.u32(treeRight)}
		for i := range n.count() {
			if level == 0 {
				records = append(records, n.entry(i))
			} else if want := check(n.child(i), level-1); !bytes.Equal(n.entry(i), want) {
				t.Errorf("group %d, block %d has %x for a child with %x", group, block, n.entry(i), want)
			}
		}
		return n.bounds()
	}
	check(root, int(levels)-1)
	for level, l := range last {
		if l.right != xfsNull {
			t.Errorf("level %d goes on to block %d", level, l.right)
		}
	}
	return records, blocks
}
