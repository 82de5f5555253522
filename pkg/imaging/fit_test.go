package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// fittedDisk is a file with a partition table whose last partition is larger
// than the ext4 in it, and the tree of that.
func fittedDisk(t *testing.T, label string) (disk string, root partition.Partition) {
	t.Helper()
	disk = maptest.File(t, 200*mib)
	script := filepath.Join(t.TempDir(), "script")
	label, logical := strings.CutSuffix(label, ", logical")
	parts := ",16M\n,\n"
	if logical {
		parts = ",16M\n,,E\n,30M\n,\n"
	}
	if err := os.WriteFile(script, []byte("label: "+label+"\n"+parts), 0o666); err != nil {
		t.Fatal(err)
	}
	tool(t, "sh", "-c", "sfdisk -q --no-reread "+disk+" <"+script)
	f, size := maptest.Open(t, disk)
	table, err := partition.Read(io.NewSectionReader(f, 0, size), 512)
	if err != nil {
		t.Fatal(err)
	}
	root = table.Partitions[len(table.Partitions)-1]
	small := maptest.File(t, 64*mib)
	files := t.TempDir()
	maptest.Age(t, files, 5, 100)
	maptest.Tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-d", files, small)
	b := bytesOf(t, small)
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteAt(b, root.Start); err != nil {
		t.Fatal(err)
	}
	return disk, root
}

func TestFitSmallerDisk(t *testing.T) {
	for _, label := range []string{"gpt", "dos", "dos, logical"} {
		disk, root := fittedDisk(t, label)
		img := filepath.Join(t.TempDir(), "x.img.zst")
		if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img}); err != nil {
			t.Fatal(err)
		}
		sources := []string{img}
		if label == "gpt" { // a disk that ends within the image's last span
			sources = append(sources, virtualDisk(t, disk, "x.qcow2"))
		}
		for _, source := range sources {
			for _, size := range []int{120 * mib, 200*mib - mib/4} {
				if source != img && size == 120*mib {
					continue // a qcow2 does not say where its filesystems end
				}
				t.Run(fmt.Sprintf("%s, %s, %d", label, filepath.Base(source), size), func(t *testing.T) {
					fitsOn(t, source, disk, root, size)
				})
			}
		}
		tiny := loop(t, 70*mib, 512)
		_, err := write1(t, WriteOptions{Source: img, Disk: tiny})
		refused(t, err, fmt.Sprintf("partition %d", root.Number))
		var fit *partition.FitError
		if !errors.As(err, &fit) || !strings.Contains(err.Error(), tiny) {
			t.Errorf("%v", err)
		}
	}
}

// fitsOn writes the image of disk, whose last partition is root, to a disk of
// size bytes, twice: the second time there is nothing to do.
func fitsOn(t *testing.T, img, disk string, root partition.Partition, size int) {
	dev := otherLife(t, size, 512)
	for i := range 2 {
		r, err := write1(t, WriteOptions{Source: img, Disk: dev, Verify: VerifyDisk})
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 && r.Written != 0 && r.Root != "" {
			t.Errorf("the second time %d bytes were written", r.Written)
		}
	}
	b := bytesOf(t, dev)
	table, err := partition.Read(bytes.NewReader(b), 512)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := table.Partition(root.Number); !ok || got.Start != root.Start || got.End() > int64(size) || table.End > int64(size) {
		t.Errorf("the last partition is %+v", got)
	}
	fs := store(t, "fs", b[root.Start:root.Start+64*mib])
	tool(t, "e2fsck", "-fn", fs)
	if !bytes.Equal(b[root.Start+4096:root.Start+8192], bytesOf(t, disk)[root.Start+4096:root.Start+8192]) {
		t.Error("the content differs")
	}
}

// What lies behind a filesystem and is not zeros must not get lost.
func TestFitKeepsWhatIsThere(t *testing.T) {
	disk, root := fittedDisk(t, "gpt")
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("a superblock of something at the end"), root.End()-4096)
	f.Close()
	img := filepath.Join(t.TempDir(), "x.img.zst")
	if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img}); err != nil {
		t.Fatal(err)
	}
	_, err = write1(t, WriteOptions{Source: img, Disk: loop(t, 100*mib, 512)})
	refused(t, err, "the image has something between")
}
