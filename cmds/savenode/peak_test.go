//go:build !race

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The peak memory of saving a disk stays far below 128 MB, whether what is on
// it shrinks or not. (The race detector needs as much again.)
func TestPeakMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("saves some hundred MiB")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	random, text := rand.NewChaCha8([32]byte{9}), strings.Repeat("Orbit saves what is in use. ", 20000)
	for at := int64(1 << 20); at < 1<<30; at += 4 << 20 {
		w := io.NewOffsetWriter(f, at)
		if _, err := io.CopyN(w, random, 512<<10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"orbit", "ndz"} {
		peak(t, self, format, disk)
	}
}

// peak saves a disk and fails where that takes too much memory.
func peak(t *testing.T, self, format, disk string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk."+format)
	cmd := exec.Command(self, "--format", format, disk, image)
	cmd.Env, cmd.Stderr = append(os.Environ(), "SAVENODE_TEST_PEAK=1"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(image); err != nil || info.Size() < 128<<20 {
		t.Errorf("the image is too small for what is in it: %v", err)
	}
	// Not getrusage: its number does not begin anew with exec.
	_, rest, found := strings.Cut(string(out), "VmHWM:")
	var peak int64
	if _, err := fmt.Sscan(rest, &peak); !found || err != nil {
		t.Fatalf("no peak in %s: %v", out, err)
	}
	peak <<= 10
	t.Logf("%s: peak %d MiB", format, peak>>20)
	if peak > 128e6 {
		t.Errorf("%s: peak memory is %d bytes, want less than 128 MB", format, peak)
	}
}
