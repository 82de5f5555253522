package fat

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

func TestMain(m *testing.M) {
	os.Setenv("MTOOLS_SKIP_CHECK", "1") // sizes that no floppy has
	os.Exit(m.Run())
}

// fill puts files into the volume and takes some out again, in rounds, so that
// what is in use is in many pieces.
func fill(t *testing.T, img string, seed uint64, budget int) {
	t.Helper()
	r, data := rand.New(rand.NewPCG(seed, 5)), rand.NewChaCha8([32]byte{byte(seed)})
	for round := range 3 {
		tree := filepath.Join(t.TempDir(), fmt.Sprintf("round %d", round))
		var names []string
		for i := range 24 {
			dir := fmt.Sprintf("d%d/a longer name %d", r.IntN(3), r.IntN(3))
			if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s/file number %d", dir, i)
			b := make([]byte, r.IntN(budget/40))
			data.Read(b)
			if err := os.WriteFile(filepath.Join(tree, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.Base(tree)+"/"+name)
		}
		maptest.Tool(t, "mcopy", "-i", img, "-s", tree, "::")
		args := []string{"-i", img}
		for _, i := range r.Perm(len(names))[:12] {
			args = append(args, "::"+names[i])
		}
		maptest.Tool(t, "mdel", args...)
	}
}

// files is all that is in a volume, read by mtools.
func files(t *testing.T, img string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	maptest.Tool(t, "mcopy", "-i", img, "-s", "-n", "-m", "::*", dir)
	return maptest.Tree(t, dir)
}

// names are all files and directories, as mtools calls them.
func names(t *testing.T, img string) []string {
	t.Helper()
	var out []string
	for _, name := range strings.Split(maptest.Tool(t, "mdir", "-i", img, "-b", "-/", "::"), "\n") {
		if name = strings.TrimSuffix(name, "/"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func mapFile(t *testing.T, img string) (*fsmap.Map, error) {
	t.Helper()
	f, size := maptest.Open(t, img)
	return Map(f, size)
}

var (
	counts = regexp.MustCompile(`(\d+)/(\d+) clusters`)
	chains = regexp.MustCompile(`<(\d+)(?:-(\d+))?>`)
	layout = regexp.MustCompile(`Data area starts at byte (\d+)`)
	unit   = regexp.MustCompile(`(\d+) bytes per cluster`)
)

func number(t *testing.T, re *regexp.Regexp, text string) int64 {
	t.Helper()
	m := re.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in:\n%s", re, text)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

var variants = []struct {
	name string
	size int64
	args []string
	bits int
}{
	{"floppy", 1440 << 10, nil, 12},
	{"12", 3 << 20, []string{"-F", "12", "-s", "4"}, 12},
	{"12 with one FAT", 3 << 20, []string{"-F", "12", "-f", "1"}, 12},
	{"16", 20 << 20, []string{"-F", "16", "-s", "2"}, 16},
	{"16 with 4096", 24 << 20, []string{"-F", "16", "-S", "4096", "-s", "1"}, 16},
	{"16 with root and reserved", 20 << 20, []string{"-F", "16", "-r", "64", "-R", "9"}, 16},
	{"32", 40 << 20, []string{"-F", "32", "-s", "1"}, 32},
	{"32 with one FAT and reserved", 40 << 20, []string{"-F", "32", "-f", "1", "-s", "1", "-R", "100"}, 32},
	{"32 with 1024", 72 << 20, []string{"-F", "32", "-S", "1024", "-s", "1"}, 32},
}

// TestReal compares with what fsck.fat counts and the chains that mtools sees,
// and then looks at a copy that has only what the map keeps.
func TestReal(t *testing.T) {
	for i, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			img := maptest.File(t, v.size)
			maptest.Tool(t, "mkfs.fat", append(v.args, "-n", "ORBIT "+strconv.Itoa(v.bits), "-i", "1234abcd", img)...)
			fill(t, img, uint64(i), int(min(v.size, 24<<20)))
			m, err := mapFile(t, img)
			if err != nil {
				t.Fatal(err)
			}
			got := *m
			got.Used, got.Block = extent.Set{}, 0
			want := fsmap.Map{Kind: "vfat", Label: "ORBIT " + strconv.Itoa(v.bits), UUID: "1234-ABCD", Size: v.size}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("map (-want +got):\n%s", diff)
			}

			report := maptest.Tool(t, "fsck.fat", "-nv", img)
			heap := number(t, layout, report)
			block := number(t, unit, report)
			n := number(t, counts, report)
			if m.Block != block {
				t.Errorf("cluster of %d bytes; want %d", m.Block, block)
			}
			if got := m.Used.Len() - heap; got != n*block {
				t.Errorf("%d bytes of clusters in use; fsck.fat says %d", got, n*block)
			}
			chained := []extent.Range{{End: heap}}
			for _, c := range chains.FindAllStringSubmatch(maptest.Tool(t, "mshowfat", append([]string{"-i", img}, names(t, img)...)...), -1) {
				first, _ := strconv.ParseInt(c[1], 10, 64)
				last := first
				if c[2] != "" {
					last, _ = strconv.ParseInt(c[2], 10, 64)
				}
				chained = append(chained, extent.Range{Off: heap + (first-2)*block, End: heap + (last-1)*block})
			}
			if len(chained) < 36 {
				t.Errorf("mshowfat tells of %d pieces only", len(chained))
			}
			if v.bits == 32 { // mtools does not tell of the root directory
				chained = append(chained, extent.Range{Off: heap, End: heap + block})
			}
			maptest.Superset(t, m.Used, extent.NewSet(chained...), true)

			if v.bits != 12 { // partclone 0.3.23 differs there from mtools and fsck.fat
				maptest.Superset(t, m.Used, peer.Partclone(t, "fat", img), true)
			}

			kept := maptest.Keep(t, img, m)
			maptest.Tool(t, "fsck.fat", "-n", kept)
			if diff := cmp.Diff(files(t, img), files(t, kept)); diff != "" {
				t.Errorf("files of the copy (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFewClusters is about FAT32 with so few clusters that it should be FAT16
// by the specification. Drivers go by where the size of the FAT is written.
func TestFewClusters(t *testing.T) {
	img := maptest.File(t, 40<<20)
	maptest.Tool(t, "mkfs.fat", "-F", "32", "-s", "8", img)
	m, err := mapFile(t, img)
	if err != nil {
		t.Fatal(err)
	}
	heap := number(t, layout, maptest.Tool(t, "fsck.fat", "-nv", img))
	if want := heap + 4096; m.Used.Len() != want {
		t.Errorf("%d bytes in use; want %d", m.Used.Len(), want)
	}
}

func TestOther(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"mkfs.exfat", nil},
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
