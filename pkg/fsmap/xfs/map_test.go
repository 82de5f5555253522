package xfs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// volume is a filesystem to be made.
type volume struct {
	name  string
	size  int64
	args  []string
	mount []string
	proto bool // version 4, which kernels no longer mount
	holes int  // so many single blocks are free, in one file
}

var volumes = []volume{
	{name: "as made by default", size: 300 << 20},
	{name: "version 4", size: 100 << 20, args: []string{"-m", "crc=0"}, proto: true},
	{name: "version 4, 1k blocks, old log", size: 160 << 20, args: []string{"-m", "crc=0", "-b", "size=1k", "-l", "version=1,lazy-count=0", "-d", "agcount=6"}, proto: true},
	{name: "version 4, 512 byte blocks", size: 100 << 20, args: []string{"-m", "crc=0", "-b", "size=512"}, proto: true},
	{name: "nothing new", size: 80 << 20, args: []string{"-m", "reflink=0,finobt=0,rmapbt=0,bigtime=0", "-i", "sparse=0"}},
	{name: "all that is new", size: 80 << 20, args: []string{"-m", "rmapbt=1,reflink=1,bigtime=1,inobtcount=1", "-i", "sparse=1,nrext64=1"}},
	{name: "1k blocks", size: 64 << 20, args: []string{"-b", "size=1k", "-d", "agcount=3"}},
	{name: "64k blocks", size: 400 << 20, args: []string{"-b", "size=64k"}},
	{name: "16k blocks, 4k sectors", size: 120 << 20, args: []string{"-b", "size=16k", "-s", "size=4k"}},
	{name: "many groups, the last short", size: 120<<20 + 333<<12, args: []string{"-d", "agsize=16m"}},
	{name: "striped log, big buffers", size: 100 << 20, args: []string{"-l", "su=64k"}, mount: []string{"logbsize=256k"}},
	{name: "a tree of three levels", size: 100 << 20, args: []string{"-b", "size=1k"}, holes: 12000},
	{name: "large", size: 3 << 40},
}

// make makes the filesystem, ages it, and gives the file and what is in it.
func (v volume) make(t testing.TB, seed uint64, steps int) (string, map[string]string) {
	t.Helper()
	path := maptest.File(t, v.size)
	args := append([]string{"-q", "--unsupported", "-L", "a label", "-m", "uuid=6a4e1a9e-6a5e-4b5c-a1f6-2f24f0a5a001"}, v.args...)
	if v.proto {
		dir := t.TempDir()
		maptest.Age(t, dir, seed, min(steps, 200))
		maptest.Tool(t, "mkfs.xfs", append(args, "-p", proto(t, dir), path)...)
		return path, nil
	}
	maptest.Tool(t, "mkfs.xfs", append(args, path)...)
	if steps == 0 {
		return path, nil // not mounted yet
	}
	dir, unmount := maptest.Mount(t, path, "xfs", v.mount...)
	maptest.Age(t, dir, seed, steps)
	if v.holes > 0 {
		punch(t, filepath.Join(dir, "holes"), v.holes)
	}
	tree := maptest.Tree(t, dir)
	unmount()
	return path, tree
}

// punch makes a file of which every other block is a hole, those of 1k.
func punch(t testing.TB, path string, holes int) {
	if err := os.WriteFile(path, make([]byte, holes*2048), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(holes) {
		const keepSize, punchHole = 1, 2
		if err := syscall.Fallocate(int(f.Fd()), keepSize|punchHole, i*2048, 1024); err != nil {
			t.Fatal(err)
		}
	}
}

// proto describes a directory as mkfs.xfs wants it. Its names have no spaces.
func proto(t testing.TB, dir string) string {
	var b strings.Builder
	var walk func(string)
	walk = func(dir string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name, path := strings.ReplaceAll(e.Name(), " ", "_"), filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				fmt.Fprintf(&b, "%s d--755 0 0\n", name)
				walk(path)
			case e.Type().IsRegular() && !strings.Contains(path, " "):
				fmt.Fprintf(&b, "%s ---644 0 0 %s\n", name, path)
			case e.Type().IsRegular():
				link := filepath.Join(t.TempDir(), "content")
				if err := os.Symlink(path, link); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "%s ---644 0 0 %s\n", name, link)
			}
		}
		b.WriteString("$\n")
	}
	b.WriteString("/dev/null\n0 0\nd--755 0 0\n")
	walk(dir)
	path := filepath.Join(t.TempDir(), "proto")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// db gives the numbers that xfs_db prints for some fields.
func db(t testing.TB, path string, cmds ...string) map[string]int64 {
	t.Helper()
	args := []string{"-r"}
	for _, c := range cmds {
		args = append(args, "-c", c)
	}
	out := map[string]int64{}
	for line := range strings.Lines(maptest.Tool(t, "xfs_db", append(args, path)...)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				out[name] = n
			}
		}
	}
	return out
}

// oracle is what is used as xfs_db sees it. Its list of free extents begins,
// in every group, with the blocks that the group keeps: those are in use.
func oracle(t testing.TB, path string) extent.Set {
	t.Helper()
	sb := db(t, path, "sb 0", "p")
	kept := make([]int64, sb["agcount"])
	for n := range kept {
		kept[n] = db(t, path, fmt.Sprintf("agf %d", n), "p flcount")["flcount"]
	}
	used := extent.NewSet(extent.Range{End: sb["dblocks"] * sb["blocksize"]})
	for lines := bufio.NewScanner(strings.NewReader(maptest.Tool(t, "xfs_db", "-r", "-c", "freesp -d", path))); lines.Scan(); {
		var group, block, count int64
		if n, _ := fmt.Sscan(lines.Text(), &group, &block, &count); n != 3 || len(strings.Fields(lines.Text())) != 3 {
			continue
		}
		if kept[group] > 0 {
			kept[group]--
			continue
		}
		off := (group*sb["agblocks"] + block) * sb["blocksize"]
		used.Remove(extent.Range{Off: off, End: off + count*sb["blocksize"]})
	}
	return used
}

func mapFile(t testing.TB, path string) (*fsmap.Map, error) {
	t.Helper()
	f, size := maptest.Open(t, path)
	return Map(f, size)
}

func TestMap(t *testing.T) {
	for _, v := range volumes {
		t.Run(v.name, func(t *testing.T) {
			path, tree := v.make(t, 1, 300)
			check(t, v, path, tree)
		})
	}
}

// TestLives ages filesystems in many ways: what is used is known to the block.
func TestLives(t *testing.T) {
	if testing.Short() {
		t.Skip("ages many filesystems")
	}
	for n := range 8 {
		v := volumes[[]int{0, 5, 6, 9}[n%4]]
		t.Run(fmt.Sprint(v.name, " ", n), func(t *testing.T) {
			path, _ := v.make(t, uint64(n)+2, 150+100*n)
			m, err := mapFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			maptest.Superset(t, m.Used, oracle(t, path), true)
		})
	}
}

func check(t *testing.T, v volume, path string, tree map[string]string) {
	t.Helper()
	m, err := mapFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	sb := db(t, path, "sb 0", "p")
	want := fsmap.Map{Kind: "xfs", Label: "a label", UUID: "6a4e1a9e-6a5e-4b5c-a1f6-2f24f0a5a001", Size: sb["dblocks"] * sb["blocksize"], Block: sb["blocksize"]}
	got := *m
	got.Used = extent.Set{}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(extent.Set{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	maptest.Superset(t, m.Used, oracle(t, path), true)
	if v.size > 1<<30 {
		return // too much noise to write
	}
	kept := maptest.Keep(t, path, m)
	maptest.Tool(t, "xfs_repair", "-n", kept)
	if tree == nil {
		return
	}
	dir, unmount := maptest.Mount(t, kept, "xfs", append(v.mount, "ro")...)
	if diff := cmp.Diff(tree, maptest.Tree(t, dir)); diff != "" {
		t.Errorf("what was kept differs (-want +got):\n%s", diff)
	}
	unmount()
}

func isUnsafe(err error) bool {
	var u *fsmap.UnsafeError
	return errors.As(err, &u)
}
