package scrub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
)

// TestXFSInsert puts records into a tree of a root and some leaves, full or
// not, and reads them all again.
func TestXFSInsert(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	full := 0
	for range 3000 {
		x, root, want := treeOf(r)
		in := &xfsInode{}
		key := r.Uint32N(3000)*2 + 1
		record := make([]byte, 16)
		binary.BigEndian.PutUint32(record, key)
		path, err := x.descend(xfsUnused, 0, root, 2, record[:4])
		if err != nil {
			t.Fatal(err)
		}
		if err := x.insert(in, path, record); err != nil {
			full++
			continue
		}
		want = append(want, key)
		slices.Sort(want)
		var got []uint32
		top, err := x.step(xfsUnused, 0, root, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range top.count() {
			leaf, err := x.step(xfsUnused, 0, top.child(i), 0)
			if err != nil {
				t.Fatal(err)
			}
			if first := binary.BigEndian.Uint32(top.entry(i)); first != binary.BigEndian.Uint32(leaf.entry(0)) {
				t.Fatalf("child %d begins with %d, its parent says %d", i, binary.BigEndian.Uint32(leaf.entry(0)), first)
			}
			for j := range leaf.count() {
				got = append(got, binary.BigEndian.Uint32(leaf.entry(j)))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("after %d (-want +got):\n%s", key, diff)
		}
	}
	if full == 0 || full > 1500 {
		t.Errorf("%d of 3000 trees were full", full)
	}
}

// xfsOwned is a record of a tree of owners.
type xfsOwned struct {
	Block, Count uint32
	Owner        uint64
}

// TestXFSHand gives up one extent of a file after the other, whose neighbours
// are the trees' own, or not. Records that touch become one, and the tree stays
// sound, until a few records are left.
func TestXFSHand(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	dropped, lowered := 0, 0
	for range 300 {
		levels := 1 + r.IntN(3)
		x, agf, want := ownersOf(r, levels)
		all := agf.u32(agfOwnSize)
		for range 1 + r.IntN(len(want)) {
			i := r.IntN(len(want))
			if want[i].Owner == xfsOwnTrees {
				continue
			}
			if err := x.hand(&xfsInode{id: want[i].Owner}, xfsExtent{block: want[i].Block, count: want[i].Count}, agf); err != nil {
				t.Fatal(err)
			}
			want[i].Owner = xfsOwnTrees
			for i = min(i+1, len(want)-1); i > 0 && len(want) > 1; i-- {
				a, b := &want[i-1], want[i]
				if a.Owner == xfsOwnTrees && b.Owner == xfsOwnTrees && a.Block+a.Count == b.Block {
					a.Count += b.Count
					want = slices.Delete(want, i, i+1)
				}
			}
			got, used := x.ownersOK(t, 0, agf)
			if !slices.Equal(want, got) {
				t.Fatalf("records (-want +got):\n%s", cmp.Diff(want, got))
			}
			list, err := x.header(0, 3)
			if err != nil {
				t.Fatal(err)
			}
			n := agf.u32(48)
			for i := range n {
				used[list.u32(36+4*int(1+i))] = true
			}
			if uint32(len(used)) != all || agf.u32(agfOwnSize)+n != all || agf.u32(agfTrees)+n != all-1 {
				t.Fatalf("of %d blocks %d are known, %d on the list", all, len(used), n)
			}
		}
		dropped += int(agf.u32(48))
		lowered += levels - int(agf.u32(agfLevels))
	}
	if dropped < 500 || lowered < 100 {
		t.Errorf("%d blocks came free, %d levels were lost", dropped, lowered)
	}
}

// TestXFSHandDamaged has trees that are not sound where blocks are joined.
func TestXFSHandDamaged(t *testing.T) {
	for name, damage := range map[string]func(x *xfsVolume, agf *xfsBlock){
		"links to the right": func(x *xfsVolume, agf *xfsBlock) { x.eachOwners(func(p *xfsBlock) { p.put32(treeRight, xfsNull) }) },
		"links to the left": func(x *xfsVolume, agf *xfsBlock) {
			x.eachOwners(func(p *xfsBlock) { p.put32(treeLeft, uint32(p.off/512)) })
		},
		"a count of blocks": func(x *xfsVolume, agf *xfsBlock) { agf.put32(agfTrees, 0) },
		"the list":          func(x *xfsVolume, agf *xfsBlock) { agf.put32(48, 7) },
		"lone children": func(x *xfsVolume, agf *xfsBlock) {
			x.eachOwners(func(p *xfsBlock) {
				if p.u16(4) > 0 {
					p.put16(6, 1)
				}
			})
		},
		"a child twice": func(x *xfsVolume, agf *xfsBlock) {
			x.eachOwners(func(p *xfsBlock) {
				s := xfsStep{xfsBlock: p, tree: xfsOwners, level: p.u16(4)}
				if s.level > 0 {
					p.put32(treeHead+s.room()*s.tree.stride+4, s.child(0))
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			refused := 0
			for range 200 {
				x, agf, all := ownersOf(r, 3)
				damage(x, agf)
				for _, rec := range all {
					var unsafe *fsmap.UnsafeError
					if err := x.hand(&xfsInode{id: rec.Owner}, xfsExtent{block: rec.Block, count: rec.Count}, agf); errors.As(err, &unsafe) {
						refused++
						break
					}
				}
			}
			if refused == 0 {
				t.Error("nobody saw it")
			}
		})
	}
}

func (x *xfsVolume) eachOwners(each func(p *xfsBlock)) {
	for _, p := range x.changed {
		if string(p.b[:4]) == xfsOwners.magic {
			each(p)
		}
	}
}

// ownersOf makes a tree of owners with 512-byte blocks, most of which have as
// few records as they may.
func ownersOf(r *rand.Rand, levels int) (x *xfsVolume, agf *xfsBlock, all []xfsOwned) {
	x = &xfsVolume{Super: &xfs.Super{Block: 512, Sector: 512, Groups: 1, GroupBlocks: 1 << 20, Blocks: 1 << 20}, changed: map[int64]*xfsBlock{}}
	agf = &xfsBlock{off: 512, b: make([]byte, 512), sum: 216}
	x.change(agf)
	list := &xfsBlock{off: 3 * 512, b: make([]byte, 512), sum: 32}
	x.change(list)
	blocks, next := uint32(0), uint32(1000)
	last := make([]*xfsStep, levels)
	var build func(level int) *xfsStep
	build = func(level int) *xfsStep {
		n := 10 + blocks
		blocks++
		s := x.blockOf(xfsOwners, n, level)
		if before := last[level]; before != nil {
			before.put32(treeRight, n)
			s.put32(treeLeft, uint32(before.off/512))
		}
		last[level] = s
		count := s.room() / 2
		if r.IntN(4) == 0 {
			count += r.IntN(s.room() - count + 1)
		}
		if level == levels-1 {
			count = 2 + r.IntN(2)
		}
		for range count {
			if level > 0 {
				child := build(level - 1)
				s.put(s.count(), append(child.bounds(), 0, 0, 0, byte(child.off/512)))
				continue
			}
			if r.IntN(4) == 0 {
				next += 1 + r.Uint32N(3)
			}
			rec := xfsOwned{next, 1 + r.Uint32N(3), 1000 + uint64(len(all))}
			if n := len(all); r.IntN(2) == 0 && (n == 0 || all[n-1].Owner != xfsOwnTrees || all[n-1].Block+all[n-1].Count < next) {
				rec.Owner = xfsOwnTrees
			}
			all = append(all, rec)
			next += rec.Count
			be := binary.BigEndian
			s.put(s.count(), be.AppendUint64(be.AppendUint64(be.AppendUint32(be.AppendUint32(nil, rec.Block), rec.Count), rec.Owner), 0))
		}
		return s
	}
	agf.put32(agfOwners, uint32(build(levels-1).off/512))
	agf.put32(agfLevels, uint32(levels))
	agf.put32(agfTrees, blocks-1)
	agf.put32(agfOwnSize, blocks)
	agf.put32(40, 1)
	return x, agf, all
}

// ownersOK sees that the tree of owners of a group is as it has to be: what
// nodes know of their children, how many entries there are, the links of each
// level, the number of blocks. It gives the records and the blocks.
func (x *xfsVolume) ownersOK(t testing.TB, group int64, agf *xfsBlock) (all []xfsOwned, blocks map[uint32]bool) {
	t.Helper()
	blocks = map[uint32]bool{}
	be := binary.BigEndian
	levels := int(agf.u32(agfLevels))
	type link struct{ block, right uint32 }
	last := make([]link, levels)
	for i := range last {
		last[i] = link{xfsNull, xfsNull}
	}
	var check func(block uint32, level int) []byte
	check = func(block uint32, level int) []byte {
		n, err := x.step(xfsOwners, group, block, level)
		if err != nil {
			t.Fatal(err)
		}
		if blocks[block] {
			t.Fatalf("block %d is there twice", block)
		}
		blocks[block] = true
		if root := level == levels-1; !root && n.count() < n.room()/2 || root && level > 0 && n.count() < 2 {
			t.Errorf("block %d on level %d has %d entries", block, level, n.count())
		}
		if l := last[level]; n.u32(treeLeft) != l.block || l.block != xfsNull && l.right != block {
			t.Errorf("block %d on level %d is not linked", block, level)
		}
		last[level] = link{block, n.u32(treeRight)}
		for i := range n.count() {
			b := n.entry(i)
			if level == 0 {
				all = append(all, xfsOwned{be.Uint32(b), be.Uint32(b[4:]), be.Uint64(b[8:])})
			} else if want := check(n.child(i), level-1); !bytes.Equal(b, want) {
				t.Errorf("group %d, block %d has %x for a child with %x", group, block, b, want)
			}
		}
		return n.bounds()
	}
	check(agf.u32(agfOwners), levels-1)
	for level, l := range last {
		if l.right != xfsNull {
			t.Errorf("level %d goes on to block %d", level, l.right)
		}
	}
	if n := agf.u32(agfOwnSize); n != uint32(len(blocks)) {
		t.Errorf("group %d has %d blocks of owners, and says %d", group, len(blocks), n)
	}
	return all, blocks
}

// blockOf makes an empty block of a tree.
func (x *xfsVolume) blockOf(tree xfsTree, n uint32, level int) *xfsStep {
	p := &xfsBlock{off: int64(n) * 512, b: make([]byte, 512), sum: 52}
	copy(p.b, tree.magic)
	p.put16(4, level)
	p.put64(16, uint64(n))
	p.put32(treeLeft, xfsNull)
	p.put32(treeRight, xfsNull)
	x.change(p)
	return &xfsStep{xfsBlock: p, tree: tree, level: level}
}

// treeOf makes a tree with 512-byte blocks, whose leaves hold even numbers.
func treeOf(r *rand.Rand) (x *xfsVolume, root uint32, keys []uint32) {
	x = &xfsVolume{Super: &xfs.Super{Block: 512, Sector: 512, Groups: 1, GroupBlocks: 1000, Blocks: 1000}, changed: map[int64]*xfsBlock{}}
	root = 10
	children := 2 + r.IntN(3)
	top := x.blockOf(xfsUnused, root, 1)
	top.put16(6, children)
	next := uint32(0)
	for i := range children {
		n := uint32(20 + i)
		leaf := x.blockOf(xfsUnused, n, 0)
		count := leaf.room() - r.IntN(3)*r.IntN(2)
		for range count {
			next += 2 * (1 + r.Uint32N(30))
			record := make([]byte, 16)
			binary.BigEndian.PutUint32(record, next)
			leaf.put(leaf.count(), record)
			keys = append(keys, next)
		}
		copy(top.entry(i), leaf.entry(0)[:4])
		top.put32(treeHead+top.room()*4+4*i, n)
	}
	return x, root, keys
}
