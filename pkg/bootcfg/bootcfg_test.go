package bootcfg

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{"/boot//k": "boot/k", `\EFI\x`: "EFI/x", "": ".", "/": ".", "../../etc": "etc", "/a/../b": "b"} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	for _, tc := range [][3]string{{"a/b", "k", "a/b/k"}, {"a/b", "/k", "k"}, {"a/b", "../../../k", "k"}, {".", "k", "k"}} {
		if got := Join(tc[0], tc[1]); got != tc[2] {
			t.Errorf("Join(%q, %q) = %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
}

func TestReadFile(t *testing.T) {
	fsys := fstest.MapFS{"f": {Data: []byte("12345")}, "d/x": {}}
	if b, err := ReadFile(fsys, "f", 5); err != nil || string(b) != "12345" {
		t.Errorf("read %q, %v", b, err)
	}
	for name, want := range map[string]string{"f": "longer than 4", "d": "not a regular file", "none": "not exist"} {
		if _, err := ReadFile(fsys, name, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
}
