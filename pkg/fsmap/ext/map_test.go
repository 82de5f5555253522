package ext_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// how a filesystem gets its files: by this kernel, by mke2fs where kernels may
// not mount it, or not at all where e2fsck waits long for other machines.
type how int

const (
	mounted how = iota
	copied
	never
)

var variants = []struct {
	name string
	size int64 // MiB
	args string
	kind string
	fill how
}{
	{"ext2", 64, "-t ext2", "ext2", mounted},
	{"ext2 of revision 0", 40, "-t ext2 -r 0 -O none", "ext2", mounted},
	{"ext2 with 1k blocks", 64, "-t ext2 -b 1024", "ext2", mounted},
	{"ext2 with superblocks everywhere", 100, "-t ext2 -b 1024 -O ^sparse_super,^resize_inode", "ext2", mounted},
	{"ext3", 96, "-t ext3", "ext3", mounted},
	{"ext3 with 1k blocks", 96, "-t ext3 -b 1024", "ext3", mounted},
	{"ext4", 300, "-t ext4", "ext4", mounted},
	{"ext4 with 1k blocks", 64, "-t ext4 -b 1024", "ext4", mounted},
	{"ext4 with 2k blocks", 64, "-t ext4 -b 2048", "ext4", mounted},
	{"ext4 with 64k blocks", 256, "-t ext4 -b 65536", "ext4", copied},
	{"ext4 with 32 bits", 100, "-t ext4 -O ^64bit", "ext4", mounted},
	{"ext4 without checksums", 100, "-t ext4 -b 1024 -O ^metadata_csum,^uninit_bg", "ext4", mounted},
	{"ext4 with uninit_bg", 100, "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg", "ext4", mounted},
	{"ext4 with uninit_bg and 32 bits", 100, "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^64bit", "ext4", mounted},
	{"ext4 without flex_bg", 100, "-t ext4 -b 1024 -O ^flex_bg", "ext4", mounted},
	{"ext4 with packed metadata", 100, "-t ext4 -b 1024 -E packed_meta_blocks=1", "ext4", mounted},
	{"ext4 with meta_bg", 100, "-t ext4 -b 1024 -O meta_bg,^resize_inode", "ext4", mounted},
	{"ext4 with meta_bg and neither flex_bg nor checksums", 100, "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg,^metadata_csum", "ext4", mounted},
	{"ext4 with small groups and meta_bg", 64, "-t ext4 -b 1024 -g 256 -N 2048 -O meta_bg,^resize_inode", "ext4", mounted},
	{"ext4 with sparse_super2", 100, "-t ext4 -b 1024 -O sparse_super2,^resize_inode", "ext4", mounted},
	{"ext4 with one backup", 100, "-t ext4 -b 1024 -O sparse_super2,^resize_inode -E num_backup_sb=1", "ext4", mounted},
	{"ext4 with bigalloc", 100, "-t ext4 -O bigalloc", "ext4", mounted},
	{"ext4 with bigalloc and large clusters", 100, "-t ext4 -O bigalloc -C 262144", "ext4", mounted},
	{"ext4 with bigalloc and 1k blocks", 100, "-t ext4 -b 1024 -C 8192 -O bigalloc", "ext4", mounted},
	{"ext4 with bigalloc and uninit_bg", 100, "-t ext4 -b 1024 -C 4096 -O bigalloc,^metadata_csum,uninit_bg", "ext4", mounted},
	{"ext4 without a journal", 64, "-t ext4 -O ^has_journal", "ext4", mounted},
	{"ext4 with a short last group", 129, "-t ext4 -b 4096", "ext4", mounted},
	{"ext4 with mmp", 64, "-t ext4 -O mmp", "ext4", never},
	{"ext4 with a checksum seed", 64, "-t ext4 -O metadata_csum_seed", "ext4", mounted},
	{"ext4 with many features", 64, "-t ext4 -O encrypt,casefold,verity,quota,project,large_dir,ea_inode,orphan_file -I 512", "ext4", copied},
	{"ext4 with quota and project", 64, "-t ext4 -O quota,project", "ext4", copied},
	{"ext4 with large_dir and orphan_file", 64, "-t ext4 -O large_dir,orphan_file,ea_inode", "ext4", mounted},
	{"ext4 with inline_data", 64, "-t ext4 -O inline_data -I 512", "ext4", copied},
	{"ext4 with fast_commit", 64, "-t ext4 -O fast_commit", "ext4", mounted},
}

func TestMapOfNewFilesystems(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, v.size, v.args)
			m := mapOf(t, path)
			maptest.Superset(t, m.Used, dumped(t, path), true)
			m.Used = extent.Set{}
			want := &fsmap.Map{Kind: v.kind, Label: "läbel", UUID: uuid, Size: m.Size, Block: m.Block}
			if diff := cmp.Diff(want, m, cmp.Comparer(extent.Set.Equal)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if kind := strings.TrimSpace(maptest.Tool(t, "blkid", "-p", "-o", "value", "-s", "TYPE", path)); kind != v.kind {
				t.Errorf("blkid says %s, the map %s", kind, v.kind)
			}
		})
	}
}

func TestMapOfUsedFilesystems(t *testing.T) {
	if testing.Short() {
		t.Skip("ages and mounts dozens of filesystems")
	}
	for i, v := range variants {
		if v.fill != mounted {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, v.size, v.args)
			dir, unmount := maptest.Mount(t, path, v.kind)
			maptest.Age(t, dir, uint64(i), 80)
			want := maptest.Tree(t, dir)
			unmount()
			m := mapOf(t, path)
			maptest.Superset(t, m.Used, dumped(t, path), true)
			kept := maptest.Keep(t, path, m)
			fsck(t, kept)
			dir, _ = maptest.Mount(t, kept, v.kind, "ro")
			if diff := cmp.Diff(want, maptest.Tree(t, dir)); diff != "" {
				t.Errorf("what is kept differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMapOfCopiedTrees takes those that mke2fs fills by itself, and debugfs
// reads.
func TestMapOfCopiedTrees(t *testing.T) {
	tree := t.TempDir()
	maptest.Age(t, tree, 5, 60)
	for i := range 200 { // small enough to be within inodes
		name := filepath.Join(tree, fmt.Sprintf("small %d", i))
		if err := os.WriteFile(name, []byte(strings.Repeat("s", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range variants {
		if v.fill != copied {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, v.size, v.args, "-d", tree)
			for range 2 { // mke2fs leaves quotas uncounted; counting them changes them again
				maptest.Try(t, "e2fsck", "-fy", path)
			}
			m := mapOf(t, path)
			maptest.Superset(t, m.Used, dumped(t, path), true)
			kept := maptest.Keep(t, path, m)
			fsck(t, kept)
			want, got := dumpTree(t, path), dumpTree(t, kept)
			if len(want) < 200 {
				t.Fatalf("debugfs reads only %d files", len(want))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what is kept differs (-want +got):\n%s", diff)
			}
		})
	}
}

// dumpTree is maptest.Tree of an unmounted filesystem, as debugfs reads it.
func dumpTree(t testing.TB, path string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	maptest.Tool(t, "debugfs", "-R", "rdump / "+dir, path)
	return maptest.Tree(t, dir)
}

// TestMapOverSeeds ages one filesystem again and again.
func TestMapOverSeeds(t *testing.T) {
	if testing.Short() {
		t.Skip("ages filesystems for seconds")
	}
	path := mkfs(t, 48, "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg")
	for seed := range uint64(6) {
		dir, unmount := maptest.Mount(t, path, "ext4")
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprint(seed-2))); err != nil {
			t.Fatal(err)
		}
		maptest.Age(t, filepath.Join(dir, fmt.Sprint(seed)), seed, 150)
		want := maptest.Tree(t, dir)
		unmount()
		m := mapOf(t, path)
		maptest.Superset(t, m.Used, dumped(t, path), true)
		path = maptest.Keep(t, path, m)
		fsck(t, path)
		dir, unmount = maptest.Mount(t, path, "ext4", "ro")
		if diff := cmp.Diff(want, maptest.Tree(t, dir)); diff != "" {
			t.Fatalf("seed %d: what is kept differs (-want +got):\n%s", seed, diff)
		}
		unmount()
	}
}
