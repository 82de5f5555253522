package imaging

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// filesystem is one that real tools make, fill, read and check.
type filesystem struct {
	name  string
	size  int64 // MiB
	mkfs  string
	mount string   // how files get in and out: ext4, ntfs-3g, mtools, xfs_db, or empty
	fsck  []string // a command each
	peer  string   // of partclone's programs
	slow  bool     // only with ORBIT_SLOW
	share bool     // files share extents, and a part of them no longer does
}

var (
	extCheck  = []string{"e2fsck -fn"}
	xfsCheck  = []string{"xfs_repair -n"}
	fatCheck  = []string{"fsck.fat -n"}
	ntfsCheck = []string{"ntfsfix -n", "ntfsresize --info --force --no-progress-bar"}
)

// Each group of an xfs keeps some free blocks, which are saved (partclone leaves
// them out) and are random bytes here: two groups, for so small an image.
var filesystems = []filesystem{
	{name: "ext2", size: 64, mkfs: "mke2fs -q -F -t ext2 -b 1024", mount: "ext2", fsck: extCheck, peer: "extfs"},
	{name: "ext3", size: 64, mkfs: "mke2fs -q -F -t ext3", mount: "ext3", fsck: extCheck, peer: "extfs"},
	{name: "ext4", size: 96, mkfs: "mke2fs -q -F -t ext4", mount: "ext4", fsck: extCheck, peer: "extfs"},
	{name: "ext4 with bigalloc", size: 64, mkfs: "mke2fs -q -F -t ext4 -O bigalloc", mount: "ext4", fsck: extCheck},
	{name: "ext4 without flex_bg", size: 200, mkfs: "mke2fs -q -F -t ext4 -b 1024 -O ^flex_bg", mount: "ext4", fsck: extCheck, peer: "extfs", slow: true},
	{name: "ext4 with meta_bg", size: 48, mkfs: "mke2fs -q -F -t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode", mount: "ext4", fsck: extCheck, peer: "extfs"},
	{name: "ext4 with sparse_super2", size: 48, mkfs: "mke2fs -q -F -t ext4 -b 1024 -O sparse_super2,^resize_inode", mount: "ext4", fsck: extCheck, peer: "extfs"},
	{name: "ext4 with uninit_bg", size: 48, mkfs: "mke2fs -q -F -t ext4 -b 1024 -O uninit_bg,^metadata_csum", mount: "ext4", fsck: extCheck, peer: "extfs"},
	{name: "ext4 large", size: 4096, mkfs: "mke2fs -q -F -t ext4", mount: "ext4", fsck: extCheck, peer: "extfs", slow: true},
	{name: "xfs", size: 300, mkfs: "mkfs.xfs -q -f -d agcount=2", mount: "xfs", fsck: xfsCheck, peer: "xfs"},
	{name: "xfs with small blocks", size: 400, mkfs: "mkfs.xfs -q -f -b size=1024", mount: "xfs", fsck: xfsCheck, peer: "xfs", slow: true},
	{name: "xfs version 4", size: 64, mkfs: "mkfs.xfs -q -f --unsupported -d agcount=2 -m crc=0", mount: "xfs_db", fsck: xfsCheck, peer: "xfs"},
	{name: "xfs with rmapbt", size: 80, mkfs: "mkfs.xfs -q -f --unsupported -d agcount=2 -l size=5m -m rmapbt=1,reflink=0", mount: "xfs", fsck: xfsCheck, peer: "xfs"},
	{name: "xfs with shared extents", size: 80, mkfs: "mkfs.xfs -q -f --unsupported -d agcount=2 -l size=13m -m rmapbt=1,reflink=1", mount: "xfs", fsck: xfsCheck, peer: "xfs", share: true},
	{name: "btrfs", size: 128, mkfs: "mkfs.btrfs -q -f", mount: "btrfs", fsck: []string{"btrfs check --readonly"}, peer: "btrfs"},
	{name: "btrfs mixed", size: 128, mkfs: "mkfs.btrfs -q -f -M", mount: "btrfs", fsck: []string{"btrfs check --readonly"}, slow: true},
	{name: "btrfs dup", size: 256, mkfs: "mkfs.btrfs -q -f -m dup -d dup", mount: "btrfs", fsck: []string{"btrfs check --readonly --check-data-csum"}, peer: "btrfs", share: true},
	{name: "fat12", size: 8, mkfs: "mkfs.fat -F 12", mount: "mtools", fsck: fatCheck, peer: "fat"},
	{name: "fat16", size: 32, mkfs: "mkfs.fat -F 16", mount: "mtools", fsck: fatCheck, peer: "fat"},
	{name: "fat32", size: 64, mkfs: "mkfs.fat -F 32", mount: "mtools", fsck: fatCheck, peer: "fat"},
	{name: "exfat", size: 64, mkfs: "mkfs.exfat", mount: "mount.exfat-fuse", fsck: []string{"fsck.exfat -n"}, peer: "exfat"},
	{name: "ntfs", size: 64, mkfs: "mkntfs -q -F -Q", mount: "ntfs-3g", fsck: ntfsCheck, peer: "ntfs"},
	{name: "swap", size: 64, mkfs: "mkswap -q -L away"},
}

func slow() bool { return os.Getenv("ORBIT_SLOW") != "" }

// named gives one of the filesystems.
func named(t testing.TB, name string) filesystem {
	t.Helper()
	for _, f := range filesystems {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("no filesystem %s", name)
	return filesystem{}
}

func words(t testing.TB, command, last string) string {
	t.Helper()
	w := append(strings.Fields(command), last)
	return maptest.Tool(t, w[0], w[1:]...)
}

// make makes one in a file, and gives what is in it. It is random bytes where nothing is in use.
func (f filesystem) make(t testing.TB, seed uint64) (path string, tree map[string]string) {
	t.Helper()
	path = noise(t, f.size*mib)
	clearHead(t, path)
	words(t, f.mkfs, path)
	f.age(t, path, seed)
	f.check(t, path)
	return path, f.tree(t, path)
}

// clearHead zeros the first pages of a file.
func clearHead(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 64<<10), 0); err != nil {
		t.Fatal(err)
	}
}

// age fills a volume, and removes a part of it.
func (f filesystem) age(t testing.TB, path string, seed uint64) {
	t.Helper()
	switch f.mount {
	case "":
	case "mtools":
		tree := filepath.Join(t.TempDir(), "tree")
		maptest.Age(t, tree, seed, 20+int(f.size)*2)
		words(t, "find "+tree+" -type l", "-delete") // which FAT has not
		maptest.Tool(t, "mcopy", "-i", path, "-s", tree, "::")
		maptest.Tool(t, "mdeltree", "-i", path, "::tree/d1", "::tree/d3")
		again := filepath.Join(t.TempDir(), "again")
		maptest.Age(t, again, seed+1, 20)
		words(t, "find "+again+" -type l", "-delete")
		maptest.Tool(t, "mcopy", "-i", path, "-s", again, "::")
	case "xfs_db": // no kernel need know it
		tree := filepath.Join(t.TempDir(), "tree")
		maptest.Age(t, tree, seed, 200)
		words(t, f.mkfs+" -p "+prototype(t, tree), path)
	default:
		f.mounted(t, path, "rw", func(dir string) {
			maptest.Age(t, dir, seed, 300)
			if f.share {
				share(t, dir)
			}
		})
	}
}

// tree is all that is in a volume; of swap, which has no files, its header.
func (f filesystem) tree(t testing.TB, path string) (tree map[string]string) {
	t.Helper()
	switch f.mount {
	case "":
		return map[string]string{"label": maptest.Tool(t, "blkid", "-p", "-o", "export", path)[len("DEVNAME="+path):]}
	case "mtools":
		dir := t.TempDir()
		maptest.Tool(t, "mcopy", "-i", path, "-s", "-n", "-m", "::*", dir)
		return maptest.Tree(t, dir)
	case "xfs_db":
		return unmounted(t, path)
	}
	f.mounted(t, path, "ro", func(dir string) { tree = maptest.Tree(t, dir) })
	if len(tree) < 20 {
		t.Fatalf("only %d files", len(tree))
	}
	return tree
}

// mounted calls g with the directory a volume is mounted on.
func (f filesystem) mounted(t testing.TB, path, option string, g func(dir string)) {
	t.Helper()
	if !strings.ContainsAny(f.mount, "-.") {
		dir, unmount := maptest.Mount(t, path, f.mount, option)
		g(dir)
		unmount()
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", path))
	defer detach(t, dev, path)
	maptest.Tool(t, f.mount, "-o", option, dev, dir)
	defer maptest.Tool(t, "umount", dir)
	g(dir)
}

// detach waits until the driver, which ends some time after umount, has let go.
func detach(t testing.TB, dev, path string) {
	t.Helper()
	maptest.Tool(t, "losetup", "-d", dev)
	for limit := time.Now().Add(20 * time.Second); maptest.Tool(t, "losetup", "-j", path) != ""; {
		if time.Now().After(limit) {
			t.Fatalf("%s does not let go of %s", dev, path)
		}
	}
}

func (f filesystem) check(t testing.TB, path string) {
	t.Helper()
	for _, command := range f.fsck {
		words(t, command, path)
	}
}

// partclone is how many bytes partclone and zstd make of a volume.
func (f filesystem) partclone(t testing.TB, path string) int64 {
	t.Helper()
	out := filepath.Join(t.TempDir(), "partclone")
	pipe := fmt.Sprintf("set -o pipefail; partclone.%s -c -s %s -o - -L %s.log | zstd -1 -q -o %[3]s", f.peer, path, out)
	maptest.Tool(t, "bash", "-c", pipe)
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
