package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// crash makes a filesystem, writes and syncs files since its last commit, and
// gives a copy of it as a power cut would leave it.
func crash(t testing.TB, seed uint64, files int, args ...string) string {
	t.Helper()
	path := makeFS(t, 160*mib, args...)
	dir, unmount := maptest.Mount(t, path, "btrfs", "commit=3000")
	maptest.Age(t, dir, seed, 60)
	sub := filepath.Join(dir, "sub")
	maptest.Tool(t, "btrfs", "subvolume", "create", sub)
	maptest.Age(t, sub, seed+1, 60)
	maptest.Tool(t, "btrfs", "filesystem", "sync", dir)
	cut := filepath.Join(t.TempDir(), "cut")
	// The driver may commit for reasons of its own: then there is no log, and
	// more has to be written.
	for round := range 10 {
		for i := range files {
			write(t, filepath.Join(dir, fmt.Sprint("new", i)), round*files+i)
			write(t, filepath.Join(sub, fmt.Sprint("new", i%7)), round*files+i)
		}
		maptest.Tool(t, "cp", "--sparse=always", path, cut)
		f, size := maptest.Open(t, cut)
		if s, err := readSuper(f, size); err != nil || s.log.at != 0 {
			break
		}
	}
	unmount()
	return cut
}

// write puts something into a file, behind a hole, and syncs it.
func write(t testing.TB, name string, i int) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 10+i*1000)
	for j := range b {
		b[j] = byte(i + j*j)
	}
	if _, err := f.WriteAt(b, int64(i)*10000); err != nil {
		t.Fatal(err)
	}
	if i%5 == 0 {
		maptest.Tool(t, "fallocate", "-o", "3M", "-l", "1M", name)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func TestLog(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages filesystems")
	}
	for i, args := range [][]string{nil, {"-n", "4k", "-m", "single", "--csum", "xxhash"}, {"-M", "-n", "4k"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			cut := crash(t, uint64(i), 12+i*12, args...)
			m := mapFile(t, cut)
			if !m.Unclean || len(m.Notes) != 1 {
				t.Fatalf("there is no log: %+v", m)
			}
			committed := oracle(t, cut)
			maptest.Superset(t, m.Used, committed, false)
			more := m.Used.Subtract(committed)
			t.Logf("%d bytes are of the log", more.Len())
			if more.Empty() {
				t.Error("the log is in the extent tree")
			}
			kept := maptest.Keep(t, cut, m)
			want, got := replay(t, cut), replay(t, kept)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files of the copy differ (-want +got):\n%s", diff)
			}
			if _, ok := want["new9"]; !ok {
				t.Error("the log had nothing to replay")
			}
			maptest.Tool(t, "btrfs", "check", "--check-data-csum", kept)
			// And what the driver makes of it is mapped once more.
			maptest.Superset(t, mapFile(t, kept).Used, oracle(t, kept), true)
		})
	}
}

// replay mounts a filesystem, which brings back what was synced, and gives all
// files.
func replay(t *testing.T, path string) map[string]string {
	t.Helper()
	dir, unmount := maptest.Mount(t, path, "btrfs")
	defer unmount()
	return maptest.Tree(t, dir)
}

// A log is verified like all else.
func TestLogDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages filesystems")
	}
	whole := metadata(t, crash(t, 9, 20, "-n", "4k", "-m", "single"))
	leaves := whole.leaves(logTree)
	if len(leaves) < 3 {
		t.Fatalf("the log has only %d leaves", len(leaves))
	}
	refuse := func(what string, s *sparse) {
		t.Helper()
		_, err := Map(s, s.size)
		var unsafe *fsmap.UnsafeError
		if !errors.As(err, &unsafe) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for i := range leaves {
		s := whole.clone()
		s.leaves(logTree)[i][200] ^= 1
		refuse("a bit flipped", s)
	}
	s := whole.clone()
	_, data := s.item(t, logTree, extentData)
	for _, b := range s.leaves(logTree) {
		for i := range b.count() {
			if b.key(i).kind == extentData && b.data(i)[20] != 0 {
				data = b.data(i)
			}
		}
	}
	put(data[21:], 1<<40)
	s.resum()
	refuse("an extent beyond the end", s)
}

// A copy that is made while the filesystem is written to is torn: it is mapped
// or refused, and nothing else.
func TestTorn(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages a filesystem")
	}
	path := makeFS(t, 48*mib, "-n", "4k", "-M")
	dir, _ := maptest.Mount(t, path, "btrfs", "commit=1")
	f, size := maptest.Open(t, path)
	stop, done := make(chan struct{}), make(chan struct{})
	mapped, torn := 0, 0
	go func() {
		defer close(done)
		for {
			b := make([]byte, size)
			if _, err := f.ReadAt(b, 0); err != nil {
				t.Error(err)
			}
			var unsafe *fsmap.UnsafeError
			_, err := Map(bytes.NewReader(b), size)
			switch {
			case err == nil:
				mapped++
			case errors.As(err, &unsafe):
				torn++
			default:
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for i := range uint64(8) {
		maptest.Age(t, filepath.Join(dir, fmt.Sprint(i)), i, 50)
		maptest.Tool(t, "btrfs", "filesystem", "sync", dir)
	}
	close(stop)
	<-done
	t.Logf("%d copies mapped, %d torn", mapped, torn)
}
