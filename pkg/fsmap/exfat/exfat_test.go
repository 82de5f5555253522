package exfat

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// mount mounts a volume by FUSE, which wants a block device.
func mount(t *testing.T, img string, f func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", img))
	defer maptest.Tool(t, "losetup", "-d", dev)
	maptest.Tool(t, "mount.exfat-fuse", dev, dir)
	defer maptest.Tool(t, "umount", dir)
	f(dir)
}

// age makes, grows and removes files until they are in many pieces.
func age(t *testing.T, dir string, seed uint64, size int64) {
	r, data := rand.New(rand.NewPCG(seed, 6)), rand.NewChaCha8([32]byte{byte(seed)})
	var files []string
	for i := range 120 {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", r.IntN(4)), fmt.Sprintf("e%d", r.IntN(3)))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, r.Int64N(size/200))
		data.Read(b)
		name := filepath.Join(sub, fmt.Sprintf("a file of a long enough name %d", i))
		flag := os.O_CREATE
		if len(files) > 0 {
			n := r.IntN(len(files))
			switch r.IntN(4) {
			case 0:
				name, flag = files[n], os.O_APPEND
			case 1:
				if err := os.Remove(files[n]); err != nil {
					t.Fatal(err)
				}
				files = append(files[:n], files[n+1:]...)
			}
		}
		f, err := os.OpenFile(name, os.O_WRONLY|flag, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if flag == os.O_CREATE {
			files = append(files, name)
		}
	}
	for _, i := range r.Perm(len(files))[:len(files)/3] {
		if err := os.Remove(files[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func mapFile(t *testing.T, img string) (*fsmap.Map, error) {
	t.Helper()
	f, size := maptest.Open(t, img)
	return Map(f, size)
}

func number(t *testing.T, pattern, text string) int64 {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

// TestReal compares with what partclone saves and dump.exfat counts, and then
// looks at a copy that has only what the map keeps.
func TestReal(t *testing.T) {
	for i, v := range []struct {
		name string
		size int64
		args []string
	}{
		{"small", 8 << 20, nil},
		{"clusters of 512", 16 << 20, []string{"-c", "512"}},
		{"clusters of 4 KiB", 64 << 20, []string{"-c", "4K"}},
		{"clusters of 128 KiB", 128 << 20, []string{"-c", "128K", "-b", "1M"}},
		{"packed", 64<<20 + 512, []string{"-c", "8K", "--pack-bitmap"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			img := maptest.File(t, v.size)
			maptest.Tool(t, "mkfs.exfat", append(v.args, "-L", "Orbit data", img)...)
			tree := map[string]string{}
			mount(t, img, func(dir string) {
				age(t, dir, uint64(i), min(v.size, 32<<20))
				tree = maptest.Tree(t, dir)
			})
			maptest.Tool(t, "fsck.exfat", "-n", img)
			m, err := mapFile(t, img)
			if err != nil {
				t.Fatal(err)
			}
			dump := maptest.Tool(t, "dump.exfat", img)
			block := number(t, `Cluster size:\s+(\d+)`, dump)
			serial := regexp.MustCompile(`0x([0-9a-f]{8})`).FindStringSubmatch(dump)[1]
			got := *m
			got.Used = extent.Set{}
			want := fsmap.Map{Kind: "exfat", Label: "Orbit data", Size: v.size / 512 * 512, Block: block,
				UUID: strings.ToUpper(serial[:4] + "-" + serial[4:])}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("map (-want +got):\n%s", diff)
			}
			heap := 512 * number(t, `Heap Offset \(sector offset\):\s+(\d+)`, dump)
			n := number(t, `Total Clusters:\s+(\d+)`, dump) - number(t, `Free Clusters:\s+(\d+)`, dump)
			if got := m.Used.Len() - heap; got != n*block {
				t.Errorf("%d bytes of clusters in use; dump.exfat says %d", got, n*block)
			}
			if m.Used.Count() < 10 {
				t.Errorf("all in %d pieces: not much of a test", m.Used.Count())
			}

			kept := maptest.Keep(t, img, m)
			maptest.Tool(t, "fsck.exfat", "-n", kept)
			mount(t, kept, func(dir string) {
				if diff := cmp.Diff(tree, maptest.Tree(t, dir)); diff != "" {
					t.Errorf("files of the copy (-want +got):\n%s", diff)
				}
			})
			maptest.Superset(t, m.Used, peer.Partclone(t, "exfat", img), true)
		})
	}
}

func TestOther(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"mkfs.fat", nil},
		{"mkntfs", []string{"-F", "-Q"}},
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
