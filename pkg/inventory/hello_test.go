package inventory

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// machine is the part of /sys and /proc of a server that Hello reads.
func machine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"sys/class/dmi/id/product_uuid":        "4C4C4544-0042-3510-8052-B4C04F4E4E32\n",
		"sys/class/dmi/id/product_serial":      "B5RNN2\n",
		"sys/class/dmi/id/sys_vendor":          "Dell Inc.\n",
		"sys/class/dmi/id/product_name":        "PowerEdge  R430 \n",
		"sys/class/dmi/id/board_vendor":        "To be filled by O.E.M.\n",
		"sys/class/dmi/id/board_name":          "0CN7X8\n",
		"sys/class/dmi/id/bios_version":        "2.4.2\n",
		"proc/sys/kernel/osrelease":            "6.12.1-orbit\n",
		"sys/devices/system/cpu/online":        "0,2\n",
		"proc/meminfo":                         "MemTotal:       65536 kB\nMemFree: 1 kB\n",
		"sys/firmware/efi/systab":              "",
		"sys/devices/pci0/0000:01:00.0/vendor": "0x14e4\n",
		"sys/devices/pci0/0000:01:00.0/device": "0x165f\n",
		"sys/devices/pci0/0000:01:00.1/vendor": "0x14e4\n",
		"sys/class/net/eno1/type":              "1\n",
		"sys/class/net/eno1/address":           "B0:83:FE:00:00:01\n",
		"sys/class/net/eno1/carrier":           "1\n",
		"sys/class/net/eno1/speed":             "1000\n",
		"sys/class/net/eno1/mtu":               "1500\n",
		"sys/class/net/eno2/type":              "1\n",
		"sys/class/net/eno2/address":           "b0:83:fe:00:00:02\n",
		"sys/class/net/eno2/speed":             "-1\n",
		"sys/class/net/br0/type":               "1\n", // no device behind it
		"sys/class/net/ib0/type":               "32\n",
		"sys/block/.keep":                      "",
		"proc/mounts":                          "",
	}
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"sys/class/net/eno1/device":            "../../../devices/pci0/0000:01:00.0",
		"sys/class/net/eno2/device":            "../../../devices/pci0/0000:01:00.1",
		"sys/class/net/ib0/device":             "../../../devices/pci0/0000:01:00.1",
		"sys/devices/pci0/0000:01:00.0/driver": "../../../bus/pci/drivers/tg3",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(root, "sys/block/.keep"))
	return root
}

func TestHello(t *testing.T) {
	got, err := Hello(context.Background(), machine(t))
	if err != nil {
		t.Fatal(err)
	}
	want := api.Hello{
		UUID: "4c4c4544-0042-3510-8052-b4c04f4e4e32", Serial: "B5RNN2", Product: "Dell Inc. PowerEdge R430", Firmware: "uefi",
		CPUs: 2, Memory: 64 << 20, MACs: []string{"b0:83:fe:00:00:01", "b0:83:fe:00:00:02"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("hello (-want +got):\n%s", diff)
	}
}

func TestHelloFromNothing(t *testing.T) {
	got, err := Hello(context.Background(), t.TempDir())
	if err == nil {
		t.Fatalf("no error for a machine without /proc: %+v", got)
	}
	for _, want := range []string{"count CPUs", "read memory size", "list network interfaces"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
}
