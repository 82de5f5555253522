package imaging

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// A partition table may lie across the end of the head: a part of it is written
// with the head, the rest before. It is cut to fit a smaller disk, and its
// backup moves on a larger one.
func TestTableAcrossHead(t *testing.T) {
	for _, number := range []int{2, 40} { // with its entry in the head, and behind
		disk := maptest.File(t, 40*mib)
		maptest.Tool(t, "sgdisk", "-o", "-j", "2040", "-n", "1:4096:+4M", "-n", fmt.Sprintf("%d:0:0", number), disk)
		root := partitionOf(t, disk, 512, number)
		small := maptest.File(t, 8*mib)
		maptest.Tool(t, "mke2fs", "-q", "-F", "-t", "ext4", small)
		f, err := os.OpenFile(disk, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(bytesOf(t, small), root.Start); err != nil {
			t.Fatal(err)
		}
		img := filepath.Join(t.TempDir(), "x.img.zst")
		if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img}); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{24 * mib, 56 * mib} {
			t.Run(fmt.Sprintf("%d, %d", number, size), func(t *testing.T) {
				dev := otherLife(t, size, 512)
				for i := range 2 {
					r, err := write1(t, WriteOptions{Source: img, Disk: dev, Verify: VerifyDisk})
					if err != nil {
						t.Fatal(err)
					}
					if i == 1 && r.Written != 0 {
						t.Errorf("the second time %d bytes were written", r.Written)
					}
				}
				if got := partitionOf(t, dev, 512, number); got.Start != root.Start || got.End() != min(root.End(), int64(size)-mib) {
					t.Errorf("partition %d is %+v, was %+v", number, got, root)
				}
				maptest.Tool(t, "sgdisk", "-v", dev)
			})
		}
	}
}
