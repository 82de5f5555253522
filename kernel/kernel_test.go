package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSurvived(t *testing.T) {
	parts := []fragment{{"10.config", []byte("# a reason\nCONFIG_A=y\n# CONFIG_B is not set\n\nCONFIG_C=\"x y\"\n")}}
	tests := []struct {
		name, config string
		want         []string // parts of the message, none = no error
	}{
		{"all there", "CONFIG_A=y\nCONFIG_C=\"x y\"\nCONFIG_D=m\n", nil},
		{"explicitly unset", "# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_C=\"x y\"\n", nil},
		{"dropped", "CONFIG_C=\"x y\"\n", []string{`CONFIG_A=y became "# CONFIG_A is not set"`}},
		{"selected back and changed", "CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=\"x y\"\n", []string{`became "CONFIG_A=m"`, `became "CONFIG_B=y"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := survived([]byte(tt.config), parts)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("survived = %v, want %q", err, tt.want)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("survived = %v, want %q", err, w)
				}
			}
		})
	}
}

// The cache must not serve a kernel built from other options, and must not be
// missed because a comment changed.
func TestCacheKey(t *testing.T) {
	key := func(version, text string) string {
		return cacheKey(version, []fragment{{"a", []byte(text)}})
	}
	base := key("1", "CONFIG_A=y\n")
	if got := key("1", "# why\n\nCONFIG_A=y\n"); got != base {
		t.Error("a comment changed the key")
	}
	for _, other := range []string{key("2", "CONFIG_A=y\n"), key("1", "CONFIG_A=m\n"), key("1", "# CONFIG_A is not set\n")} {
		if other == base {
			t.Error("the key misses a change")
		}
	}
}

// Every fragment starts with its subject and has no option twice.
func TestFragments(t *testing.T) {
	parts, err := readFragments(fragments)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, p := range parts {
		if !bytes.HasPrefix(p.Text, []byte("# ")) {
			t.Errorf("%s does not start with a comment on its subject", p.Name)
		}
		for line := range options(p.Text) {
			if first, ok := seen[symbol(line)]; ok {
				t.Errorf("%s: %s is in %s already", p.Name, symbol(line), first)
			}
			seen[symbol(line)] = p.Name
		}
	}
	if _, ok := seen["CONFIG_KEXEC_FILE"]; !ok {
		t.Error("no fragment sets CONFIG_KEXEC_FILE")
	}
}

func TestFetch(t *testing.T) {
	tarball := []byte("not really a tarball")
	sum := fmt.Sprintf("%x", sha256.Sum256(tarball))
	list := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n%s  linux-6.12.1.tar.xz\n-----END\n"
	tests := []struct{ name, list, err string }{
		{"good", fmt.Sprintf(list, sum), ""},
		{"another digest", fmt.Sprintf(list, strings.Repeat("0", 64)), "not used"},
		{"not listed", strings.ReplaceAll(fmt.Sprintf(list, sum), "6.12.1", "6.12.2"), "does not list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("/sha256sums.asc", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.list) })
			mux.HandleFunc("/linux-6.12.1.tar.xz", func(w http.ResponseWriter, _ *http.Request) { w.Write(tarball) })
			server := httptest.NewServer(mux)
			defer server.Close()
			s := source{Version: "6.12.1", URL: server.URL}
			err := s.fetch(context.Background(), t.TempDir())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("fetch = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(s.Path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tarball, got); diff != "" {
				t.Errorf("tarball (-want +got):\n%s", diff)
			}
		})
	}
}

// A build that fails must leave nothing that a later run takes for a kernel.
func TestBuildFailureLeavesNoCache(t *testing.T) {
	dir := t.TempDir()
	tarball := filepath.Join(dir, "linux.tar.xz")
	if err := os.WriteFile(tarball, brokenTree(t), 0o644); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "cache", "key")
	err := build(context.Background(), &strings.Builder{}, source{Version: "1", Path: tarball}, nil, kept)
	if err == nil {
		t.Fatal("a tarball without a kernel was built")
	}
	left, err := os.ReadDir(filepath.Dir(kept))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// brokenTree is a tarball with one file that is not a kernel's.
func brokenTree(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "linux/README", Size: 2, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "hi")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
