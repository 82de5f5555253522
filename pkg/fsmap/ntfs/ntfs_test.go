package ntfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/peer"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// mount mounts a volume by FUSE, from a block device: the kernel then waits for
// the driver to have written everything.
func mount(t *testing.T, img, options string, f func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", img))
	defer maptest.Tool(t, "losetup", "-d", dev)
	maptest.Tool(t, "ntfs-3g", "-o", "big_writes,"+options, dev, dir)
	defer maptest.Tool(t, "umount", dir)
	f(dir)
}

func mapFile(t testing.TB, img string) (*fsmap.Map, error) {
	t.Helper()
	f, size := maptest.Open(t, img)
	return Map(f, size)
}

func figure(t *testing.T, pattern, text string) int64 {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

// compare compares the map of a volume with what partclone saves, ntfsinfo
// counts, and ntfscluster finds in files.
func compare(t *testing.T, img string) *fsmap.Map {
	t.Helper()
	m, err := mapFile(t, img)
	if err != nil {
		t.Fatal(err)
	}
	info := maptest.Tool(t, "ntfsinfo", "-m", img)
	block := figure(t, `Cluster Size: (\d+)`, info)
	total := figure(t, `Volume Size in Clusters: (\d+)`, info)
	used := (total - figure(t, `Free Clusters: (\d+)`, info)) * block
	tail := m.Size - total*block
	if m.Block != block || m.Used.Len() != used+tail {
		t.Errorf("%d bytes in clusters of %d are in use; ntfsinfo says %d and %d, and there are %d at the end", m.Used.Len(), m.Block, used, block, tail)
	}
	owned(t, img, m, total)
	theirs := peer.Partclone(t, "ntfs", img)
	maptest.Superset(t, m.Used, theirs, false)
	if more := m.Used.Subtract(theirs).Subtract(extent.NewSet(extent.Range{Off: total * block, End: m.Size})); !more.Empty() {
		t.Errorf("map has %d bytes more than partclone: %v", more.Len(), more.Ranges()[0])
	}
	return m
}

// verify also looks at a copy that has only what the map keeps.
func verify(t *testing.T, img string, tree map[string]string) *fsmap.Map {
	t.Helper()
	m := compare(t, img)
	kept := maptest.Keep(t, img, m)
	maptest.Tool(t, "ntfsresize", "--info", "--force", "--no-progress-bar", kept)
	maptest.Tool(t, "ntfsfix", "-n", kept)
	mount(t, kept, "streams_interface=windows", func(dir string) {
		if diff := cmp.Diff(tree, maptest.Tree(t, dir)); diff != "" {
			t.Errorf("files of the copy (-want +got):\n%s", diff)
		}
		for path := range tree {
			if base := filepath.Base(path); strings.HasPrefix(base, "with streams") {
				got, err := os.ReadFile(filepath.Join(dir, path) + ":stream")
				if err != nil || string(got) != strings.Repeat(base, 5000) {
					t.Errorf("stream of %s: %d bytes, %v", path, len(got), err)
				}
			}
		}
	})
	return m
}

func TestReal(t *testing.T) {
	for i, v := range []struct {
		name    string
		size    int64
		args    []string
		options string
	}{
		{"default", 64<<20 + 512, nil, "compression"},
		{"clusters of 512", 24 << 20, []string{"-c", "512"}, "compression"},
		{"sectors of 4096", 48 << 20, []string{"-s", "4096", "-c", "4096"}, "compression"},
		{"clusters of 64 KiB", 100<<20 + 7*512, []string{"-c", "65536"}, "compression"},
		{"compressed", 32 << 20, []string{"-C", "-c", "2048"}, "compression"},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			img := maptest.File(t, v.size)
			maptest.Tool(t, "mkntfs", append(v.args, "-q", "-F", "-Q", "-L", "Orbit data", img)...)
			var tree map[string]string
			mount(t, img, v.options+",streams_interface=windows", func(dir string) {
				maptest.Age(t, dir, uint64(i), 250)
				for n := range 3 {
					name := fmt.Sprintf("with streams %d", n)
					for file, text := range map[string]string{name: "main", name + ":stream": strings.Repeat(name, 5000)} {
						if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
				tree = maptest.Tree(t, dir)
			})
			m := verify(t, img, tree)
			got := *m
			got.Used, got.Block = extent.Set{}, 0
			want := fsmap.Map{Kind: "ntfs", Label: "Orbit data", Size: v.size, UUID: strings.TrimSpace(maptest.Tool(t, "blkid", "-p", "-o", "value", "-s", "UUID", img))}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("map (-want +got):\n%s", diff)
			}
			if m.Used.Count() < 6 {
				t.Errorf("all in %d pieces: not much of a test", m.Used.Count())
			}
		})
	}
}

// TestLargeClusters is about a boot sector that tells the size in another way.
func TestLargeClusters(t *testing.T) {
	for _, size := range []int{128 << 10, 2 << 20} {
		img := maptest.File(t, 512<<20)
		maptest.Tool(t, "mkntfs", "-q", "-F", "-Q", "-c", strconv.Itoa(size), img)
		if m := compare(t, img); m.Block != int64(size) {
			t.Errorf("clusters of %d bytes; want %d", m.Block, size)
		}
	}
}

// TestPieces brings the MFT into so many pieces that one record cannot tell of
// them: a full volume gets free clusters here and there, and then many files
// that fit their records.
func TestPieces(t *testing.T) {
	t.Parallel()
	img := maptest.File(t, 12<<20)
	maptest.Tool(t, "mkntfs", "-q", "-F", "-Q", "-c", "1024", img)
	var tree map[string]string
	mount(t, img, "compression", func(dir string) {
		var n int
		fill := func(size int) {
			t.Helper()
			for ; ; n++ {
				if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), make([]byte, size), 0o644); err != nil {
					return
				}
			}
		}
		fill(3000)
		for i := 0; i < n; i += 2 {
			os.Remove(filepath.Join(dir, strconv.Itoa(i)))
		}
		fill(10)
		tree = maptest.Tree(t, dir)
	})
	if out := maptest.Tool(t, "ntfsinfo", "-i", "0", img); !strings.Contains(out, "$ATTRIBUTE_LIST") {
		t.Errorf("the MFT is not in many pieces:\n%s", out)
	}
	verify(t, img, tree)
}

func TestOther(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"mkfs.fat", nil},
		{"mkfs.exfat", nil},
		{"mkswap", nil},
		{"mke2fs", []string{"-q", "-F"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := maptest.File(t, 16<<20)
			maptest.Tool(t, c.name, append(c.args, img)...)
			if _, err := mapFile(t, img); !errors.Is(err, fsmap.ErrUnknown) {
				t.Errorf("Map = %v; want ErrUnknown", err)
			}
		})
	}
}
