package sysfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHost(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"sys/devices/pci0/0000:00:1f.2", "sys/class/x"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := Host{Root: root}
	for name, text := range map[string]string{"vendor": "0x8086\n", "numa": "-1\n", "text": "  two words \n\x00"} {
		if err := os.WriteFile(h.Path("/sys/class/x/"+name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../devices/pci0/0000:00:1f.2", h.Path("/sys/class/x/device")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", h.Path("/sys/class/x/out")); err != nil {
		t.Fatal(err)
	}
	n, ok := h.Int("/sys/class/x/numa")
	hex, _ := h.Int("/sys/class/x/vendor")
	_, none := h.Int("/sys/class/x/text")
	got := []any{h.Hex("/sys/class/x/vendor"), h.Text("/sys/class/x/text"), h.Text("/nothing"), n, ok, hex, none,
		h.Base("/sys/class/x/device"), h.Real("/sys/class/x/device"), h.Real("/sys/class/x/out"), h.Has("/sys/class"), h.Has("/proc")}
	want := []any{"8086", "two words", "", int64(-1), true, int64(0x8086), false,
		"0000:00:1f.2", "/sys/devices/pci0/0000:00:1f.2", "", true, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	names, err := h.List("/nothing")
	if names != nil || err != nil {
		t.Error(names, err)
	}
}

func TestCompare(t *testing.T) {
	root := t.TempDir()
	want := []string{"0000:00:03.0", "0000:00:1a.0", "0000:00:1f.2", "0000:0a:00.0", "a", "nvme0n1", "nvme0n2", "nvme0n10", "nvme2n1", "sda", "sda1", "sda10", "sdb"}
	for _, name := range want {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Host{Root: root}.List("/")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever two paths are compared, one order comes of it: that of the addresses,
// which are hexadecimal, in paths of any length.
func TestComparePaths(t *testing.T) {
	const bus = "/sys/devices/pci0000:00/"
	want := []string{
		bus + "0000:00:02.0/0000:01:00.0", bus + "0000:00:02.0/0000:01:00.1", bus + "0000:00:02.0/0000:0a:00.0/virtio2",
		bus + "0000:00:02.0/0000:0a:00.0/virtio10", bus + "0000:00:02.5", bus + "0000:00:09.0/0000:02:00.0", bus + "0000:00:0a.0",
		bus + "0000:00:10.0", bus + "0000:00:14.0/usb1/1-2", bus + "0000:00:14.0/usb1/1-2.1", bus + "0000:00:14.0/usb1/1-10",
		bus + "0000:00:1c.0", bus + "0000:00:1c.0/0000:03:00.0", bus + "0000:00:1c.4", bus + "10000:00:01.0",
		"coretemp coretemp.0 temp2", "coretemp coretemp.0 temp10", "nvme 0000:0a:00.0 temp1", "nvme 0000:10:00.0 temp1 #2",
	}
	for i, a := range want {
		for j, b := range want {
			if got := Compare(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}
