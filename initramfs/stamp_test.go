package main

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What can change the result must change the hash, and nothing else may.
func TestSourceHash(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "cmds/a/main.go", "pkg/b/b.go", "initramfs/files/etc/hosts"} {
		write(t, filepath.Join(root, name), name)
	}
	s := source{root: root, module: "example.org/m", version: "v1"}
	hash := func() string {
		t.Helper()
		h, err := s.hash(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	before := hash()
	for _, tt := range []struct {
		path    string
		changes bool
	}{
		{"pkg/b/b.go", true},
		{"pkg/b/embedded.txt", true},
		{"go.sum", true},
		{"initramfs/files/etc/hosts", true},
		{"pkg/b/b_test.go", false},
		{"pkg/b/testdata/golden", false},
		{"initramfs/_bb/main.go", false},
		{"docs/page.md", false},
	} {
		write(t, filepath.Join(root, tt.path), "changed")
		after := hash()
		if (after != before) != tt.changes {
			t.Errorf("%s: the hash changes: %v, want %v", tt.path, after != before, tt.changes)
		}
		before = after
	}
	if s.version = "v2"; hash() == before {
		t.Error("the version doesn't change the hash")
	}
}

func TestUpToDate(t *testing.T) {
	dir := t.TempDir()
	stamp, output := filepath.Join(dir, "stamp"), filepath.Join(dir, "output")
	if upToDate(stamp, "x", output) {
		t.Error("without a stamp")
	}
	write(t, output, "result")
	if err := recordInputs(stamp, "x", output); err != nil {
		t.Fatal(err)
	}
	if !upToDate(stamp, "x", output) {
		t.Error("built, but not up to date")
	}
	if upToDate(stamp, "y", output) {
		t.Error("with other inputs")
	}
	write(t, output, "somebody's")
	if upToDate(stamp, "x", output) {
		t.Error("with an output that is not ours")
	}
}

func TestAddFlag(t *testing.T) {
	var b builder
	for _, bad := range []string{"", "src", "src:", ":/dest"} {
		if err := b.addFlag(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if err := b.addFlag("firmware:/lib/firmware"); err != nil || len(b.add) != 1 || b.add[0] != (addition{"firmware", "/lib/firmware"}) {
		t.Errorf("got %v, %v", b.add, err)
	}
}
