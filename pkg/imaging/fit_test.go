package imaging

import (
	"bytes"
	"errors"
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
	if err := os.WriteFile(script, []byte("label: "+label+"\n,16M\n,\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	tool(t, "sh", "-c", "sfdisk -q --no-reread "+disk+" <"+script)
	f, size := maptest.Open(t, disk)
	table, err := partition.Read(io.NewSectionReader(f, 0, size), 512)
	if err != nil {
		t.Fatal(err)
	}
	root = table.Partitions[1]
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
	for _, label := range []string{"gpt", "dos"} {
		disk, root := fittedDisk(t, label)
		img := filepath.Join(t.TempDir(), "x.img.zst")
		if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img}); err != nil {
			t.Fatal(err)
		}
		dev := otherLife(t, 100*mib, 512)
		for i := range 2 {
			r, err := write1(t, WriteOptions{Source: img, Disk: dev, Verify: VerifyDisk})
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && r.Written != 0 {
				t.Errorf("the second time %d bytes were written", r.Written)
			}
		}
		b := bytesOf(t, dev)
		table, err := partition.Read(bytes.NewReader(b), 512)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Partitions[1]; got.Start != root.Start || got.End() > 100*mib || table.End > 100*mib {
			t.Errorf("%s: the last partition is %+v", label, got)
		}
		fs := store(t, "fs", b[root.Start:root.Start+64*mib])
		tool(t, "e2fsck", "-fn", fs)
		if !bytes.Equal(b[root.Start+4096:root.Start+8192], bytesOf(t, disk)[root.Start+4096:root.Start+8192]) {
			t.Error("the content differs")
		}

		tiny := loop(t, 70*mib, 512)
		_, err = write1(t, WriteOptions{Source: img, Disk: tiny})
		refused(t, err, "partition 2")
		var fit *partition.FitError
		if !errors.As(err, &fit) || !strings.Contains(err.Error(), tiny) {
			t.Errorf("%v", err)
		}
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
