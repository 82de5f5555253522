package pcaptest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Path is that of a golden file of frisbee. Where the goldens are not beside
// the repository, the test is skipped.
func Path(t testing.TB, name string) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("the test does not run in the repository")
		}
		root = filepath.Dir(root)
	}
	path := filepath.Join(root, "..", "shared", "testdata", "frisbee", name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no golden file ../shared/testdata/frisbee/%s", name)
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

// Load reads a golden capture, or skips the test.
func Load(t testing.TB, name string) []Frame {
	t.Helper()
	f, err := os.Open(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	frames, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return frames
}
