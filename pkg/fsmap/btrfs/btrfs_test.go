package btrfs

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const mib = 1 << 20

func makeFS(t testing.TB, size int64, args ...string) string {
	t.Helper()
	path := maptest.File(t, size)
	maptest.Tool(t, "mkfs.btrfs", append(append([]string{"-q"}, args...), path)...)
	return path
}

func mapFile(t testing.TB, path string) *fsmap.Map {
	t.Helper()
	m, err := Map(maptest.Open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func refused(t testing.TB, path, why string) {
	t.Helper()
	m, err := Map(maptest.Open(t, path))
	var unsafe *fsmap.UnsafeError
	if !errors.As(err, &unsafe) || !strings.Contains(unsafe.Reason, why) {
		t.Errorf("got %v, %v; want a refusal with %q", m, err, why)
	}
}

var (
	itemLine   = regexp.MustCompile(`^\titem \d+ key \((\S+) (\S+) (\S+)\)`)
	lengthLine = regexp.MustCompile(`^\t\tlength (\d+) `)
	stripeLine = regexp.MustCompile(`^\t\t\tstripe \d+ devid \d+ offset (\d+)`)
)

// oracle is what the tools of btrfs say is used: extents by the extent tree,
// mapped by the chunk tree.
func oracle(t testing.TB, path string) extent.Set {
	t.Helper()
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	dump := maptest.Tool(t, "btrfs", "inspect-internal", "dump-super", path)
	node := number(regexp.MustCompile(`\nnodesize\s+(\d+)`).FindStringSubmatch(dump)[1])

	type piece struct{ logical, length, physical int64 }
	var pieces []piece
	var at, length int64
	for line := range strings.Lines(maptest.Tool(t, "btrfs", "inspect-internal", "dump-tree", "-t", "chunk", path)) {
		if m := itemLine.FindStringSubmatch(line); m != nil && m[2] == "CHUNK_ITEM" {
			at = number(m[3])
		} else if m := lengthLine.FindStringSubmatch(line); m != nil {
			length = number(m[1])
		} else if m := stripeLine.FindStringSubmatch(line); m != nil {
			pieces = append(pieces, piece{at, length, number(m[1])})
		}
	}
	ranges := []extent.Range{{Off: 0, End: mib}, {Off: 64 << 10, End: 68 << 10}}
	if _, size := maptest.Open(t, path); size >= 64*mib+4096 {
		ranges = append(ranges, extent.Range{Off: 64 * mib, End: 64*mib + 4096})
	}
	extents := 0
	for line := range strings.Lines(maptest.Tool(t, "btrfs", "inspect-internal", "dump-tree", "-t", "extent", path)) {
		m := itemLine.FindStringSubmatch(line)
		if m == nil || m[2] != "EXTENT_ITEM" && m[2] != "METADATA_ITEM" {
			continue
		}
		extents++
		start, n := number(m[1]), node
		if m[2] == "EXTENT_ITEM" {
			n = number(m[3])
		}
		for _, p := range pieces {
			if start >= p.logical && start < p.logical+p.length {
				off := start - p.logical + p.physical
				ranges = append(ranges, extent.Range{Off: off, End: off + n})
			}
		}
	}
	if extents == 0 {
		t.Fatal("dump-tree shows no extents")
	}
	return extent.NewSet(ranges...)
}

// live ages a filesystem as its kernel driver writes it, with subvolumes,
// snapshots and shared extents, and gives what is there in the end.
func live(t testing.TB, path string, seed uint64, n int, options ...string) map[string]string {
	t.Helper()
	dir, unmount := maptest.Mount(t, path, "btrfs", options...)
	maptest.Age(t, dir, seed, n)
	sub := filepath.Join(dir, "sub")
	maptest.Tool(t, "btrfs", "subvolume", "create", sub)
	maptest.Age(t, sub, seed+100, n/2)
	maptest.Tool(t, "btrfs", "subvolume", "snapshot", "-r", sub, filepath.Join(dir, "snapshot"))
	maptest.Tool(t, "btrfs", "subvolume", "snapshot", sub, filepath.Join(dir, "gone"))
	maptest.Age(t, sub, seed+200, n/2)
	maptest.Tool(t, "cp", "-a", "--reflink=always", filepath.Join(sub, "d1"), filepath.Join(dir, "shared"))
	if err := os.WriteFile(filepath.Join(dir, "zeros"), make([]byte, 3*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	maptest.Tool(t, "fallocate", "-l", "1M", filepath.Join(dir, "reserved"))
	maptest.Tool(t, "btrfs", "subvolume", "delete", filepath.Join(dir, "gone"))
	tree := maptest.Tree(t, dir)
	unmount()
	return tree
}

// enough tells whether what the map keeps is a whole filesystem.
func enough(t *testing.T, path string, m *fsmap.Map, want map[string]string, options ...string) {
	t.Helper()
	kept := maptest.Keep(t, path, m)
	maptest.Tool(t, "btrfs", "check", "--check-data-csum", kept)
	dir, unmount := maptest.Mount(t, kept, "btrfs", append(options, "ro")...)
	if diff := cmp.Diff(want, maptest.Tree(t, dir)); diff != "" {
		t.Errorf("files of the copy differ (-want +got):\n%s", diff)
	}
	unmount()
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
}

var variants = []struct {
	name    string
	mkfs    string
	mount   string
	trouble string // what mkfs may lack
}{
	{name: "default"},
	{name: "single, small nodes", mkfs: "-m single -d single -n 4k"},
	{name: "dup everything, large nodes", mkfs: "-m dup -d dup -n 64k", mount: "compress-force=zstd"},
	{name: "mixed", mkfs: "-M -n 4k"},
	{name: "xxhash, no free space tree", mkfs: "--csum xxhash -R ^free-space-tree", mount: "space_cache=v1"},
	{name: "sha256, no holes kept", mkfs: "--csum sha256 -O ^no-holes,^extref", mount: "compress=lzo"},
	{name: "blake2b", mkfs: "--csum blake2 -n 32k", mount: "autodefrag"},
	{name: "fat metadata", mkfs: "-O ^skinny-metadata -m single", mount: "nodatacow"},
	{name: "block group tree", mkfs: "-O block-group-tree", trouble: "unrecognized filesystem feature"},
	{name: "raid0 of one", mkfs: "-m dup -d raid0", mount: "max_inline=0", trouble: "unable to create"},
}

func TestAgainstTools(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages filesystems")
	}
	for i, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			path := maptest.File(t, 256*mib)
			args := append(strings.Fields(v.mkfs), "-q", "-L", "wörld", path)
			if out, err := maptest.Try(t, "mkfs.btrfs", args...); err != nil {
				if v.trouble != "" && strings.Contains(strings.ToLower(out), v.trouble) {
					t.Skipf("mkfs.btrfs %s: %s", v.mkfs, out)
				}
				t.Fatal(err, out)
			}
			maptest.Superset(t, mapFile(t, path).Used, oracle(t, path), true)
			var options []string
			if v.mount != "" {
				options = []string{v.mount}
			}
			tree := live(t, path, uint64(i), 120, options...)
			m := mapFile(t, path)
			maptest.Superset(t, m.Used, oracle(t, path), true)
			if m.Kind != "btrfs" || m.Label != "wörld" || m.Size != 256*mib || m.Block != 4096 || m.Unclean || m.Notes != nil {
				t.Errorf("map is %+v", m)
			}
			if got := strings.TrimSpace(maptest.Tool(t, "blkid", "-o", "value", "-s", "UUID", path)); m.UUID != got {
				t.Errorf("UUID is %s, blkid says %s", m.UUID, got)
			}
			enough(t, path, m, tree, options...)
		})
	}
}
