package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The same source gives the same bytes, whatever the directory, the umask,
// the user's settings and the state of the build cache.
func TestReproducible(t *testing.T) {
	if os.Getenv("ORBIT_SLOW") == "" {
		t.Skip("compiles everything from nothing, a minute of two processors (set ORBIT_SLOW=1)")
	}
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("no xz command here")
	}
	// The first build's own copy is the source of the second: somebody may be
	// editing the checkout.
	first := filepath.Join(t.TempDir(), "checkout")
	here := build(t, "..", first, "022")
	there := build(t, first, filepath.Join(t.TempDir(), "some", "other place"), "077",
		"GOCACHE="+t.TempDir(), "TZ=Asia/Tokyo", "LANG=tr_TR.UTF-8", "GOAMD64=v3", "CGO_ENABLED=1",
		"GOFLAGS=-tags=netgo", "XZ_DEFAULTS=-0", "XZ_OPT=--threads=4", "USER=nobody")
	if !bytes.Equal(here, there) {
		t.Errorf("two builds differ: %d and %d bytes", len(here), len(there))
	}
}

// build copies the source from one directory to another, builds the initramfs
// there and returns it.
func build(t *testing.T, from, dir, umask string, env ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	shell := func(script string, args ...string) {
		cmd := exec.CommandContext(ctx, "sh", append([]string{"-euc", script, "sh"}, args...)...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.TrimSpace(script), err, out)
		}
	}
	shell(`umask "$1"; mkdir -p "$2"
		tar -C "$3" --exclude=./initramfs/_bb -cf - ./go.mod ./go.sum ./cmds ./pkg ./initramfs | tar -C "$2" --no-same-permissions -xf -`, umask, dir, from)
	shell(`umask "$1"; cd "$2"; go run ./initramfs -o result`, umask, dir)
	b, err := os.ReadFile(filepath.Join(dir, "result"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
