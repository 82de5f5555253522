package scrub

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestXFSHand gives up extents of files whose neighbours are the trees' own, or
// not. Records that touch become one, and no leaf gets too few.
func TestXFSHand(t *testing.T) {
	type record struct {
		Block, Count uint32
		Owner        uint64
	}
	be := binary.BigEndian
	r := rand.New(rand.NewPCG(3, 4))
	done, refused := 0, 0
	for range 4000 {
		x := &xfsVolume{Super: &xfs.Super{Block: 512, Sector: 512, Groups: 1, GroupBlocks: 1 << 20, Blocks: 1 << 20}, changed: map[int64]*xfsBlock{}}
		top := x.blockOf(xfsOwners, 10, 1)
		var all []record
		next := uint32(1000)
		for i := range 2 + r.IntN(3) {
			n := uint32(20 + i)
			leaf := x.blockOf(xfsOwners, n, 0)
			for range leaf.room()/2 + r.IntN(2)*r.IntN(leaf.room()/2) {
				next += r.Uint32N(2) * r.Uint32N(3)
				rec := record{next, 1 + r.Uint32N(3), 1000 + uint64(len(all))}
				if r.IntN(2) == 0 && (len(all) == 0 || all[len(all)-1].Owner != xfsOwnTrees || all[len(all)-1].Block+all[len(all)-1].Count < next) {
					rec.Owner = xfsOwnTrees
				}
				all = append(all, rec)
				next += rec.Count
				leaf.put(leaf.count(), be.AppendUint64(be.AppendUint64(be.AppendUint32(be.AppendUint32(nil, rec.Block), rec.Count), rec.Owner), 0))
			}
			top.put16(6, i+1)
			copy(top.entry(i), leaf.bounds())
			top.put32(treeHead+top.room()*40+4*i, n)
		}
		i := r.IntN(len(all))
		for all[i].Owner == xfsOwnTrees {
			i = r.IntN(len(all))
		}
		agf := &xfsBlock{b: make([]byte, 512)}
		agf.put32(24, 10)
		agf.put32(36, 2)
		if err := x.hand(&xfsInode{id: all[i].Owner}, xfsExtent{block: all[i].Block, count: all[i].Count}, agf); err != nil {
			refused++
			continue
		}
		done++
		all[i].Owner = xfsOwnTrees
		var want, got []record
		for _, rec := range all {
			if n := len(want); n > 0 && rec.Owner == xfsOwnTrees && want[n-1].Owner == xfsOwnTrees && want[n-1].Block+want[n-1].Count == rec.Block {
				want[n-1].Count += rec.Count
				continue
			}
			want = append(want, rec)
		}
		for i := range top.count() {
			leaf, err := x.step(xfsOwners, 0, top.child(i), 0)
			if err != nil {
				t.Fatal(err)
			}
			if leaf.count() < leaf.room()/2 {
				t.Fatalf("leaf %d has %d records left", i, leaf.count())
			}
			if diff := cmp.Diff(leaf.bounds(), top.entry(i)); diff != "" {
				t.Fatalf("leaf %d (-want +got):\n%s", i, diff)
			}
			for j := range leaf.count() {
				b := leaf.entry(j)
				got = append(got, record{be.Uint32(b), be.Uint32(b[4:]), be.Uint64(b[8:])})
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
	}
	if done < 2000 || refused == 0 {
		t.Errorf("%d done, %d refused", done, refused)
	}
}

// blockOf makes an empty block of a tree.
func (x *xfsVolume) blockOf(tree xfsTree, n uint32, level int) *xfsStep {
	p := &xfsBlock{off: int64(n) * 512, b: make([]byte, 512), sum: 52}
	copy(p.b, tree.magic)
	p.put16(4, level)
	p.put64(16, uint64(n))
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
