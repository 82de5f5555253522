package scrub

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// TestXFSGrows removes keys whose inodes nothing notes yet as free, where the
// only block that has to is full.
func TestXFSGrows(t *testing.T) {
	for name, args := range map[string][]string{
		"with owners":    {"-m", "rmapbt=1"},
		"without owners": {"-m", "rmapbt=0,reflink=0,inobtcount=0"},
	} {
		t.Run(name, func(t *testing.T) {
			volume := xfsCase{size: 64 << 20, args: append(args, "-b", "size=1k", "-d", "agcount=1")}.make(t)
			dir, unmount := maptest.Mount(t, volume, "xfs")
			r := rand.New(rand.NewPCG(1, 1))
			_, removed := xfsSystem(t, dir, r)
			removed = append(removed, xfsMore(t, dir, 50, r)...)
			xfsFill(t, filepath.Join(dir, "srv"), 5000)
			unmount()
			noted, _ := xfsUnusedOK(t, volume)
			dir, unmount = maptest.Mount(t, volume, "xfs")
			for i := 0; len(noted) < (1024-treeHead)/16; i++ {
				name := filepath.Join(dir, "srv", fmt.Sprintf("one of many files %d", 5000-1-i))
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				if ino := uint32(info.Sys().(*syscall.Stat_t).Ino) &^ 63; !noted[ino] {
					noted[ino] = true
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			unmount()
			p := xfsPatch(t, volume)
			if diff := cmp.Diff(xfsPaths(removed), xfsPaths(p.Removed)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			patched, _ := xfsApply(t, volume, p)
			xfsOwnersOK(t, patched)
			_, before := xfsUnusedOK(t, volume)
			if _, after := xfsUnusedOK(t, patched); before != 1 || after != 3 {
				t.Errorf("the tree had %d blocks, and has %d", before, after)
			}
			maptest.Tool(t, "xfs_repair", "-n", "-o", "force_geometry", patched)
			dir, unmount = maptest.Mount(t, patched, "xfs")
			xfsFill(t, filepath.Join(dir, "later"), 300)
			maptest.Age(t, filepath.Join(dir, "opt"), 7, 100)
			if err := os.RemoveAll(filepath.Join(dir, "srv")); err != nil {
				t.Fatal(err)
			}
			unmount()
			maptest.Tool(t, "xfs_repair", "-n", "-o", "force_geometry", patched)
		})
	}
}

// xfsUnusedOK checks the tree of inodes of which some are free of the first
// group, and gives with which inodes its records begin, and how many blocks it
// has.
func xfsUnusedOK(t *testing.T, path string) (noted map[uint32]bool, blocks int) {
	t.Helper()
	x := xfsOpen(t, path)
	agi, err := x.header(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	records, used := x.treeOK(t, xfsUnused, 0, agi.u32(agiUnused), agi.u32(agiUnused+4))
	noted = map[uint32]bool{}
	for _, b := range records {
		noted[binary.BigEndian.Uint32(b)] = true
	}
	return noted, len(used)
}

// TestXFSNoise has trees with some wrong bytes: there are errors, or not, and
// it ends.
func TestXFSNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	done, failed := 0, 0
	count := func(err error) {
		if err != nil {
			failed++
		} else {
			done++
		}
	}
	for range 1500 {
		x, agf, all := ownersOf(r, 1+r.IntN(3))
		x.r, x.ROCompat = bytes.NewReader(nil), xfsFinobt|xfsInobtCount|xfsRmap
		for _, rec := range all {
			if n := agf.u32(listCount); rec.Owner == xfsOwnTrees && n < 30 {
				if err := x.keep(0, agf, rec.Block, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, agi, keys := x.unusedOf(r, 1+r.IntN(2))
		var blocks []*xfsBlock
		for _, p := range x.changed {
			blocks = append(blocks, p)
		}
		order.Sort(blocks, func(a, b *xfsBlock) int { return int(a.off - b.off) })
		for range 1 + r.IntN(12) {
			p := blocks[r.IntN(len(blocks))]
			at := r.IntN(len(p.b))
			if r.IntN(2) == 0 {
				at = r.IntN(treeHead + 20)
			}
			p.b[at] = byte(r.IntN(64) * r.IntN(5))
		}
		for _, rec := range all {
			count(x.hand(&xfsInode{id: rec.Owner}, xfsExtent{block: rec.Block, count: rec.Count}, agf))
		}
		for range 30 {
			record := make([]byte, 16)
			binary.BigEndian.PutUint32(record, r.Uint32N(keys[len(keys)-1])|1)
			path, err := x.descend(xfsUnused, 0, agi.u32(agiUnused), agi.u32(agiUnused+4), record[:4])
			if err == nil {
				err = x.insert(path, 0, record)
			}
			count(err)
		}
	}
	if done < 10000 || failed < 10000 {
		t.Errorf("%d went well, %d did not", done, failed)
	}
}
