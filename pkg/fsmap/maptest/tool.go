// Package maptest makes real filesystems with their real tools, ages them, and
// tells whether what a map keeps of one is enough: for the tests of the
// packages that read filesystems.
package maptest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tool runs a program and gives what it prints. Without the program the test is
// skipped; where it fails the test does.
func Tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := Try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Tool for a program that may fail.
func Try(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here", name)
	}
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	err := cmd.Run()
	return out.String(), err
}

// File is a new sparse file of size bytes.
func File(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens a file for reading until the test ends, and gives its size too.
func Open(t testing.TB, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

// Mount mounts a file with a filesystem and gives the directory. unmount may
// be called early, and is called when the test ends. Where this machine cannot
// mount such a filesystem the test is skipped.
func Mount(t testing.TB, file, kind string, options ...string) (dir string, unmount func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir = t.TempDir()
	args := []string{"-t", kind, "-o", strings.Join(append(options, "loop"), ","), file, dir}
	if out, err := Try(t, "mount", args...); err != nil {
		if strings.Contains(out, "unknown filesystem type") {
			t.Skipf("this kernel has no %s", kind)
		}
		t.Fatalf("mount %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	mounted := true
	unmount = func() {
		t.Helper()
		if mounted {
			mounted = false
			Tool(t, "umount", dir)
		}
	}
	t.Cleanup(unmount)
	return dir, unmount
}
