package ext_test

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// dumped is what dumpe2fs says is used: all but the free blocks it lists.
func dumped(t testing.TB, path string) extent.Set {
	t.Helper()
	out := maptest.Tool(t, "dumpe2fs", path)
	block, count, ratio := int64(0), int64(0), int64(1)
	var free []extent.Range
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Block size":
			block, _ = strconv.ParseInt(value, 10, 64)
		case "Cluster size":
			cluster, _ := strconv.ParseInt(value, 10, 64)
			ratio = cluster / block
		case "Block count":
			count, _ = strconv.ParseInt(value, 10, 64)
		case "Free blocks":
			if block == 0 || count == 0 || !strings.HasPrefix(lines.Text(), " ") {
				continue // the number, in the superblock's part
			}
			for part := range strings.SplitSeq(value, ", ") {
				var from, to int64
				switch n, _ := fmt.Sscanf(part, "%d-%d", &from, &to); n {
				case 0:
					continue
				case 1:
					to = from
				}
				free = append(free, extent.Range{Off: from * block, End: min(to+ratio, count) * block}) // to begins the last cluster
			}
		}
	}
	if count == 0 || len(free) == 0 {
		t.Fatalf("dumpe2fs prints no free blocks:\n%.2000s", out)
	}
	used := extent.NewSet(free...).Complement(extent.Range{Off: 0, End: count * block})
	used.Add(extent.Range{Off: 0, End: 1024})
	return used
}

// mkfs makes a filesystem of size MiB.
func mkfs(t testing.TB, size int64, args string, more ...string) string {
	t.Helper()
	path := maptest.File(t, size<<20)
	maptest.Tool(t, "mke2fs", append(append([]string{"-q", "-F", "-U", uuid, "-L", "läbel"}, strings.Fields(args)...), append(more, path)...)...)
	return path
}

const uuid = "01234567-89ab-cdef-0123-456789abcdef"

func mapOf(t testing.TB, path string) *fsmap.Map {
	t.Helper()
	f, size := maptest.Open(t, path)
	m, err := ext.Map(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fsck fails the test where e2fsck finds something to repair.
func fsck(t testing.TB, path string) {
	t.Helper()
	maptest.Tool(t, "e2fsck", "-fn", path)
}

var variants = []struct {
	name    string
	size    int64 // MiB
	args    string
	kind    string
	unmount bool // this kernel is not asked to mount it
}{
	{"ext2", 64, "-t ext2", "ext2", false},
	{"ext2 of revision 0", 40, "-t ext2 -r 0 -O none", "ext2", false},
	{"ext2 with 1k blocks", 64, "-t ext2 -b 1024", "ext2", false},
	{"ext2 with superblocks everywhere", 100, "-t ext2 -b 1024 -O ^sparse_super,^resize_inode", "ext2", false},
	{"ext3", 96, "-t ext3", "ext3", false},
	{"ext3 with 1k blocks", 96, "-t ext3 -b 1024", "ext3", false},
	{"ext4", 300, "-t ext4", "ext4", false},
	{"ext4 with 1k blocks", 64, "-t ext4 -b 1024", "ext4", false},
	{"ext4 with 2k blocks", 64, "-t ext4 -b 2048", "ext4", false},
	{"ext4 with 64k blocks", 256, "-t ext4 -b 65536", "ext4", true},
	{"ext4 with 32 bits", 300, "-t ext4 -O ^64bit", "ext4", false},
	{"ext4 without checksums", 300, "-t ext4 -O ^metadata_csum,^uninit_bg", "ext4", false},
	{"ext4 with uninit_bg", 300, "-t ext4 -O ^metadata_csum,uninit_bg", "ext4", false},
	{"ext4 with uninit_bg and 32 bits", 300, "-t ext4 -O ^metadata_csum,uninit_bg,^64bit", "ext4", false},
	{"ext4 without flex_bg", 300, "-t ext4 -b 1024 -O ^flex_bg", "ext4", false},
	{"ext4 with packed metadata", 300, "-t ext4 -b 1024 -E packed_meta_blocks=1", "ext4", false},
	{"ext4 with meta_bg", 300, "-t ext4 -b 1024 -O meta_bg,^resize_inode", "ext4", false},
	{"ext4 with meta_bg and neither flex_bg nor checksums", 300, "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg,^metadata_csum", "ext4", false},
	{"ext4 with small groups and meta_bg", 64, "-t ext4 -b 1024 -g 256 -N 2048 -O meta_bg,^resize_inode", "ext4", false},
	{"ext4 with sparse_super2", 300, "-t ext4 -b 1024 -O sparse_super2,^resize_inode", "ext4", false},
	{"ext4 with one backup", 300, "-t ext4 -b 1024 -O sparse_super2,^resize_inode -E num_backup_sb=1", "ext4", false},
	{"ext4 with bigalloc", 300, "-t ext4 -O bigalloc", "ext4", false},
	{"ext4 with bigalloc and large clusters", 300, "-t ext4 -O bigalloc -C 262144", "ext4", false},
	{"ext4 with bigalloc and 1k blocks", 300, "-t ext4 -b 1024 -C 8192 -O bigalloc", "ext4", false},
	{"ext4 with bigalloc and uninit_bg", 300, "-t ext4 -b 1024 -C 4096 -O bigalloc,^metadata_csum,uninit_bg", "ext4", false},
	{"ext4 without a journal", 64, "-t ext4 -O ^has_journal", "ext4", false},
	{"ext4 with a short last group", 129, "-t ext4 -b 4096", "ext4", false},
	{"ext4 with mmp", 64, "-t ext4 -O mmp", "ext4", true},
	{"ext4 with a checksum seed", 64, "-t ext4 -O metadata_csum_seed", "ext4", false},
	{"ext4 with many features", 64, "-t ext4 -O encrypt,casefold,verity,quota,project,large_dir,ea_inode,orphan_file -I 512", "ext4", true},
	{"ext4 with quota and project", 64, "-t ext4 -O quota,project", "ext4", true},
	{"ext4 with large_dir and orphan_file", 64, "-t ext4 -O large_dir,orphan_file,ea_inode", "ext4", false},
	{"ext4 with fast_commit", 64, "-t ext4 -O fast_commit", "ext4", false},
}

// fresh is what Map says of each variant as mke2fs left it.
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
		if v.unmount {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, v.size, v.args)
			dir, unmount := maptest.Mount(t, path, v.kind)
			maptest.Age(t, dir, uint64(i), 150)
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
