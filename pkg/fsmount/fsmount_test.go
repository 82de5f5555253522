package fsmount_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/fsmount"
	"golang.org/x/sys/unix"
)

func disk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "hello"), []byte("world"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "disk")
	maptest.Tool(t, "mke2fs", "-q", "-t", "ext4", "-d", tree, file, "8M")
	dev := strings.TrimSpace(string(maptest.Tool(t, "losetup", "-f", "--show", file)))
	t.Cleanup(func() { maptest.Tool(t, "losetup", "-d", dev) })
	return dev
}

// TestMount reads a file through a mount that no directory shows.
func TestMount(t *testing.T) {
	dev := disk(t)
	m, err := fsmount.Mount(dev, "ext4", "ro,noload", fsmount.Untrusted|unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	fd, err := unix.Openat(int(m.Fd()), "hello", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "hello")
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != "world" {
		t.Errorf("read %q, %v", got, err)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), dev+" ") {
		t.Errorf("the mount shows in /proc/self/mounts (%v)", err)
	}
}

func TestErrors(t *testing.T) {
	dev := disk(t)
	for _, c := range []struct {
		name, kind, options string
		is                  error
		says                string
	}{
		{"another filesystem", "btrfs", "ro", unix.EINVAL, "invalid argument"},
		{"no such filesystem", "orbitfs", "ro", unix.ENODEV, "the running kernel has no orbitfs"},
		{"no such option", "ext4", "ro,nosuchoption", unix.EINVAL, "nosuchoption"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := fsmount.Mount(dev, c.kind, c.options, fsmount.Untrusted)
			if err == nil {
				m.Close()
				t.Fatal("was mounted")
			}
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
