package imaging

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// share has files share extents, then changes and removes some on both sides.
func share(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{"d0", "d2"} {
		maptest.Tool(t, "cp", "-a", "--reflink=always", filepath.Join(dir, d), filepath.Join(dir, "shared "+d))
	}
	for i, path := range append(regular(t, filepath.Join(dir, "d0")), regular(t, filepath.Join(dir, "shared d2"))...) {
		switch i % 3 {
		case 0:
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		case 1:
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte("no longer shared"), 5000)
			if cerr := f.Close(); err != nil || cerr != nil {
				t.Fatal(err, cerr)
			}
		}
	}
}

// regular is the files below dir.
func regular(t testing.TB, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// prototype has mkfs.xfs fill a filesystem with the files below dir. It takes
// no names with spaces.
func prototype(t testing.TB, dir string) string {
	t.Helper()
	text, links := "/\n0 0\nd--755 0 0\nd d--755 0 0\n", t.TempDir()
	for i, path := range regular(t, dir) {
		link := filepath.Join(links, strconv.Itoa(i))
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%d ---644 0 0 %s\n", i, link)
	}
	return store(t, "prototype", []byte(text+"$\n$\n"))
}

// unmounted is the files of an xfs that no kernel mounts, as xfs_db finds them:
// for each its size, and a digest of its extents.
func unmounted(t testing.TB, path string) map[string]string {
	t.Helper()
	db := func(commands ...string) []string {
		args := []string{"-r"}
		for _, c := range commands {
			args = append(args, "-c", c)
		}
		return strings.Split(maptest.Tool(t, "xfs_db", append(args, path)...), "\n")
	}
	field := map[string]int64{}
	for _, line := range db("sb 0", "p blocksize agblocks") {
		name, value, _ := strings.Cut(line, " = ")
		field[name], _ = strconv.ParseInt(value, 10, 64)
	}
	var names, ask []string
	for _, line := range db("blockget -n", "ncheck") {
		if number, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			names = append(names, strings.TrimSpace(name))
			ask = append(ask, "inode "+number, "p core.size", "bmap")
		}
	}
	disk, _ := maptest.Open(t, path)
	tree, next := map[string]string{}, 0
	hash := sha256.New()
	for _, line := range append(db(ask...), "core.size = 0") {
		var off, block, group, at, count int64
		if _, size, ok := strings.Cut(line, "core.size = "); ok {
			if next > 0 {
				tree[names[next-1]] += fmt.Sprintf(" %x", hash.Sum(nil))
			}
			if next < len(names) {
				tree[names[next]] = size
			}
			next++
			hash.Reset()
		} else if n, _ := fmt.Sscanf(line, "data offset %d startblock %d (%d/%d) count %d", &off, &block, &group, &at, &count); n == 5 {
			b := make([]byte, count*field["blocksize"])
			if _, err := disk.ReadAt(b, (group*field["agblocks"]+at)*field["blocksize"]); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(hash, "%d %d\n", off, count)
			hash.Write(b)
		}
	}
	if len(tree) < 20 {
		t.Fatalf("xfs_db finds only %d files", len(tree))
	}
	return tree
}
