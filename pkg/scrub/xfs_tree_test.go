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

// treeOf makes a tree with 512-byte blocks, whose leaves hold even numbers.
func treeOf(r *rand.Rand) (x *xfsVolume, root uint32, keys []uint32) {
	x = &xfsVolume{Super: &xfs.Super{Block: 512, Sector: 512, Groups: 1, GroupBlocks: 1000, Blocks: 1000}, changed: map[int64]*xfsBlock{}}
	block := func(n uint32, level, count int) *xfsStep {
		p := &xfsBlock{off: int64(n) * 512, b: make([]byte, 512), sum: 52}
		copy(p.b, "FIB3")
		p.put16(4, level)
		p.put16(6, count)
		p.put64(16, uint64(n))
		x.change(p)
		return &xfsStep{xfsBlock: p, tree: xfsUnused, level: level}
	}
	root = 10
	children := 2 + r.IntN(3)
	top := block(root, 1, children)
	next := uint32(0)
	for i := range children {
		n := uint32(20 + i)
		leaf := block(n, 0, 0)
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
