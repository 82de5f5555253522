package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two disks match: a machine with a /sys of two disks, made in a mount
// namespace of its own.
func TestTwoDisksMatch(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a mount namespace needs root")
	}
	sys := t.TempDir()
	for name, serial := range map[string]string{"nvme0n1": "S1", "nvme1n1": "S2"} {
		real := filepath.Join(sys, "devices/pci0000:00", name)
		if err := os.MkdirAll(filepath.Join(real, "device"), 0o777); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(real, "size"), []byte("41943040\n"), 0o666)
		os.WriteFile(filepath.Join(real, "device/serial"), []byte(serial+"\n"), 0o666)
		os.MkdirAll(filepath.Join(sys, "block"), 0o777)
		if err := os.Symlink("../devices/pci0000:00/"+name, filepath.Join(sys, "block", name)); err != nil {
			t.Fatal(err)
		}
	}
	source := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(source, diskImage(t, 16*mib), 0o666); err != nil {
		t.Fatal(err)
	}
	self := program(t)
	cmd := exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1" /sys || exit 77; exec "$2" "$3" "size>=10G"`, "sh", sys, self.Path, source)
	cmd.Env = self.Env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Run()
	code := cmd.ProcessState.ExitCode()
	if code == 77 || strings.Contains(stderr.String(), "unshare") {
		t.Skipf("no mount namespace to be had: %s", &stderr)
	}
	for _, want := range []string{"2 disks match", "/dev/nvme0n1", "serial S1", "/dev/nvme1n1", "serial S2", "nothing was changed"} {
		if code != 3 || !strings.Contains(stderr.String(), want) {
			t.Errorf("exit %d, want 3 with %q; stderr: %s", code, want, &stderr)
		}
	}
}
