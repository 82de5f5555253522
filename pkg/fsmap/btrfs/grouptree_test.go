package btrfs

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

type entry struct {
	key  key
	data []byte
}

// pack puts entries into the leaf raw, in place of those it has.
func pack(raw []byte, entries []entry) {
	le := binary.LittleEndian
	clear(raw[headSize:])
	le.PutUint32(raw[0x60:], uint32(len(entries)))
	end := len(raw)
	for i, e := range entries {
		end -= len(e.data)
		copy(raw[end:], e.data)
		head := raw[headSize+i*itemSize:]
		put(head, e.key.object)
		head[8] = e.key.kind
		put(head[9:], e.key.offset)
		le.PutUint32(head[17:], uint32(end-headSize))
		le.PutUint32(head[21:], uint32(len(e.data)))
	}
}

// toGroupTree changes a filesystem fresh from mkfs.btrfs to one with a block
// group tree, for the tools that cannot make it. The empty UUID tree, which
// the driver makes anew, gives its block.
func toGroupTree(t *testing.T, path string) {
	t.Helper()
	const uuidTree = 9
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, size := maptest.Open(t, path)
	s, err := readSuper(f, size)
	if err != nil {
		t.Fatal(err)
	}
	v := &volume{r: f, s: s, left: 100}
	if err := v.readChunks(); err != nil {
		t.Fatal(err)
	}
	extents, err := v.findRoot(extentTree)
	if err != nil {
		t.Fatal(err)
	}
	spare, err := v.findRoot(uuidTree)
	if err != nil {
		t.Fatal(err)
	}
	// edit changes a leaf, in all copies.
	edit := func(p ptr, change func(raw block, entries []entry) []entry) {
		t.Helper()
		blocks, err := v.read([]ptr{p})
		if err != nil || p.level != 0 {
			t.Fatal(err, p.level)
		}
		raw := slices.Clone(blocks[0])
		var entries []entry
		for i := range raw.count() {
			entries = append(entries, entry{raw.key(i), slices.Clone(raw.data(i))})
		}
		pack(raw, change(raw, entries))
		sum := s.sum(raw[sumSize:])
		copy(raw, sum[:])
		copies, _ := v.chunks.locate(p.at, s.nodeSize)
		for _, at := range copies {
			if _, err := f.WriteAt(raw, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	var groups []entry
	edit(extents, func(_ block, all []entry) []entry {
		return slices.DeleteFunc(all, func(e entry) bool {
			if e.key.kind == blockGroupItem {
				groups = append(groups, e)
				return true
			}
			if e.key.object == uint64(spare.at) {
				put(e.data[25:], groupTree) // the inline reference
			}
			return false
		})
	})
	edit(spare, func(raw block, _ []entry) []entry {
		put(raw[0x58:], groupTree)
		return groups
	})
	edit(s.root, func(_ block, all []entry) []entry {
		for i := range all {
			if all[i].key.object == uuidTree {
				all[i].key.object = groupTree
			}
		}
		slices.SortFunc(all, func(a, b entry) int {
			if a.key.less(b.key) {
				return -1
			}
			return 1
		})
		return all
	})
	for _, at := range mirrors[:2] {
		b := make([]byte, superSize)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		add(b[0xb4:], compatROBlockGroupTree)
		sum := s.sum(b[sumSize:])
		copy(b, sum[:])
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGroupTree(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages a filesystem")
	}
	path := makeFS(t, 160*mib)
	plain := mapFile(t, path)
	toGroupTree(t, path)
	maptest.Superset(t, mapFile(t, path).Used, plain.Used, true)
	tree := live(t, path, 3, 200)
	m := mapFile(t, path)
	maptest.Superset(t, m.Used, oracle(t, path), true)
	kept := maptest.Keep(t, path, m)
	dir, _ := maptest.Mount(t, kept, "btrfs", "ro")
	if diff := cmp.Diff(tree, maptest.Tree(t, dir)); diff != "" {
		t.Errorf("files of the copy differ (-want +got):\n%s", diff)
	}
}
