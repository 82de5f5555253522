//go:build !race

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The peak memory of a whole run stays far below 128 MB. (The race
// detector needs as much again.)
func TestPeakMemory(t *testing.T) {
	source := filepath.Join(t.TempDir(), "image.zst")
	if err := os.WriteFile(source, packed(t, diskImage(t, 256*mib)), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, source, filepath.Join(t.TempDir(), "disk"))
	cmd.Env = append(os.Environ(), "IMAGENODE_TEST_PEAK=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	// Not getrusage: its number does not begin anew with exec.
	_, rest, found := strings.Cut(string(out), "VmHWM:")
	var peak int64
	if _, err := fmt.Sscan(rest, &peak); !found || err != nil {
		t.Fatalf("no peak in %s: %v", out, err)
	}
	peak <<= 10
	t.Logf("peak %d MiB", peak/mib)
	if peak > 128e6 {
		t.Errorf("peak memory is %d bytes, want less than 128 MB", peak)
	}
}
