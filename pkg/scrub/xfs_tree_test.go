package scrub

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
)

// TestXFSInsert puts records into trees of inodes whose blocks are full or not,
// until a group has no blocks for more. The blocks that these take were the
// other trees'.
func TestXFSInsert(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	splits, raised, full := 0, 0, 0
	for range 100 {
		x, agf, owned := ownersOf(r, 1+r.IntN(3))
		x.ROCompat = xfsFinobt | xfsInobtCount | xfsRmap*uint32(r.IntN(2))
		owners := map[uint32]uint64{}
		list, err := x.header(0, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range owned {
			for i := range rec.Count {
				owners[rec.Block+i] = rec.Owner
				if n := agf.u32(listCount); rec.Owner == xfsOwnTrees && n < 40 && r.IntN(3) == 0 {
					if err := x.keep(0, agf, rec.Block+i, 1); err != nil {
						t.Fatal(err)
					}
					x.freed.Add(bytesOf(rec.Block + i))
				}
			}
		}
		levels := 1 + r.IntN(3)
		super, agi, want := x.unusedOf(r, levels)
		before := agi.u32(agiUnusedSize)
		for range 1 + r.IntN(80) {
			key := r.Uint32N(want[len(want)-1]+2) | 1
			i, found := slices.BinarySearch(want, key)
			if found {
				continue
			}
			want = slices.Insert(want, i, key)
			record := make([]byte, 16)
			binary.BigEndian.PutUint32(record, key)
			path, err := x.descend(xfsUnused, 0, agi.u32(agiUnused), agi.u32(agiUnused+4), record[:4])
			if err != nil {
				t.Fatal(err)
			}
			if err := x.insert(path, 0, record); err != nil {
				if cannot := new(UnsupportedError); !errors.As(err, &cannot) {
					t.Fatal(err)
				}
				full++
				break
			}
			entries, used := x.treeOK(t, xfsUnused, 0, agi.u32(agiUnused), agi.u32(agiUnused+4))
			var got []uint32
			for _, e := range entries {
				got = append(got, binary.BigEndian.Uint32(e))
			}
			if !slices.Equal(want, got) {
				t.Fatalf("after %d (-want +got):\n%s", key, cmp.Diff(want, got))
			}
			if n := agi.u32(agiUnusedSize); n != uint32(len(used)) || super.u64(superFree)+uint64(n-before) != 1000 {
				t.Fatalf("%d blocks are in a tree that had %d, it counts %d, and %d are free", len(used), before, n, super.u64(superFree))
			}
			if x.ROCompat&xfsRmap == 0 {
				continue
			}
			for block := range used {
				if owners[block] != 0 {
					owners[block] = xfsOwnInodes
				}
			}
			for i := range agf.u32(listCount) {
				block := list.u32(listHead + 4*int((agf.u32(listFirst)+i)%119))
				if owners[block] != xfsOwnTrees || !x.freed.Contains(bytesOf(block)) {
					t.Fatalf("block %d is %x's, and on the list", block, owners[block])
				}
			}
			after, blocks := x.ownersOK(t, 0, agf)
			maps.Copy(used, blocks)
			for block := range used {
				if x.freed.Overlaps(bytesOf(block)) {
					t.Fatalf("block %d is free, and in a tree", block)
				}
			}
			if agf.u32(agfTrees)+1 != agf.u32(agfOwnSize) {
				t.Fatalf("%d blocks are in trees, %d in that of owners", agf.u32(agfTrees)+1, agf.u32(agfOwnSize))
			}
			x.ownedBy(t, after, owners)
		}
		splits += int(agi.u32(agiUnusedSize) - before)
		raised += int(agi.u32(agiUnused+4)) - levels
	}
	if splits < 300 || raised < 20 || full == 0 {
		t.Errorf("%d blocks were split, %d levels added, %d trees had no blocks for more", splits, raised, full)
	}
}

func bytesOf(block uint32) extent.Range {
	return extent.Range{Off: int64(block) * 512, End: int64(block)*512 + 512}
}

// ownedBy sees that records are in order, as few as can be, and say of each
// block whose it is.
func (x *xfsVolume) ownedBy(t *testing.T, records []xfsOwned, owners map[uint32]uint64) {
	t.Helper()
	n, last := 0, xfsOwned{}
	for _, rec := range records {
		if end := last.Block + last.Count; rec.Block < end || rec.Block == end && rec.Owner == last.Owner {
			t.Fatalf("%+v is behind %+v", rec, last)
		}
		for i := range rec.Count {
			if owners[rec.Block+i] != rec.Owner {
				t.Fatalf("block %d is %x's, want %x", rec.Block+i, rec.Owner, owners[rec.Block+i])
			}
			n++
		}
		last = rec
	}
	if n != len(owners) {
		t.Fatalf("%d blocks have owners, want %d", n, len(owners))
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
			n := agf.u32(listCount)
			for i := range n {
				used[list.u32(listHead+4*int(1+i))] = true
			}
			if uint32(len(used)) != all || agf.u32(agfOwnSize)+n != all || agf.u32(agfTrees)+n != all-1 {
				t.Fatalf("of %d blocks %d are known, %d on the list", all, len(used), n)
			}
		}
		dropped += int(agf.u32(listCount))
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
		"the list":          func(x *xfsVolume, agf *xfsBlock) { agf.put32(listCount, 7) },
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
	agf = x.sectorOf(1, 216)
	x.sectorOf(3, 32)
	next := uint32(1000)
	root, blocks := x.treeOf(xfsOwners, 10, levels, func(s *xfsStep) int {
		switch {
		case s.level == levels-1:
			return 2 + r.IntN(2)
		case r.IntN(4) == 0:
			return s.room()/2 + r.IntN(s.room()-s.room()/2+1)
		}
		return s.room() / 2
	}, func() []byte {
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
		return be.AppendUint64(be.AppendUint64(be.AppendUint32(be.AppendUint32(nil, rec.Block), rec.Count), rec.Owner), 0)
	})
	agf.put32(agfOwners, root)
	agf.put32(agfLevels, uint32(levels))
	agf.put32(agfTrees, blocks-1)
	agf.put32(agfOwnSize, blocks)
	agf.put32(listFirst, 1)
	return x, agf, all
}

// unusedOf makes a tree of inodes of which some are free, whose records begin
// with even numbers. Half of its blocks are full.
func (x *xfsVolume) unusedOf(r *rand.Rand, levels int) (super, agi *xfsBlock, keys []uint32) {
	next := uint32(0)
	root, blocks := x.treeOf(xfsUnused, 500, levels, func(s *xfsStep) int {
		switch {
		case s.level == 2:
			return 2
		case r.IntN(2) == 0:
			return s.room()
		}
		return s.room() - r.IntN(s.room()/2)
	}, func() []byte {
		next += 2 * (1 + r.Uint32N(30))
		keys = append(keys, next)
		return append(binary.BigEndian.AppendUint32(nil, next), make([]byte, 12)...)
	})
	super, agi = x.sectorOf(0, 224), x.sectorOf(2, 312)
	super.put64(superFree, 1000)
	agi.put32(agiUnused, root)
	agi.put32(agiUnused+4, uint32(levels))
	agi.put32(agiUnusedSize, blocks)
	return super, agi, keys
}

// treeOf makes a tree whose blocks begin at first, with as many entries in each
// as count says.
func (x *xfsVolume) treeOf(tree xfsTree, first uint32, levels int, count func(*xfsStep) int, record func() []byte) (root, blocks uint32) {
	last := make([]*xfsStep, levels)
	var build func(level int) *xfsStep
	build = func(level int) *xfsStep {
		s := x.blockOf(tree, first+blocks, level)
		blocks++
		if before := last[level]; before != nil {
			before.put32(treeRight, x.place(s, 0))
			s.put32(treeLeft, x.place(before, 0))
		}
		last[level] = s
		for range count(s) {
			if level == 0 {
				s.put(s.count(), record())
			} else {
				s.put(s.count(), x.above(build(level-1), 0))
			}
		}
		return s
	}
	return x.place(build(levels-1), 0), blocks
}

// blockOf makes an empty block of a tree.
func (x *xfsVolume) blockOf(tree xfsTree, n uint32, level int) *xfsStep {
	p := x.sectorOf(int64(n), 52)
	copy(p.b, tree.magic)
	p.put16(4, level)
	p.put64(16, uint64(n))
	p.put32(treeLeft, xfsNull)
	p.put32(treeRight, xfsNull)
	return &xfsStep{xfsBlock: p, tree: tree, level: level}
}

// sectorOf makes an empty piece of metadata.
func (x *xfsVolume) sectorOf(n int64, sum int) *xfsBlock {
	p := &xfsBlock{off: n * 512, b: make([]byte, 512), sum: sum}
	x.change(p)
	return p
}
