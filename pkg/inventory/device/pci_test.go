package device

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// server has two NUMA nodes, a network card behind a root port, a graphics card
// and a chip of which the driver is not loaded.
const server = `
/sys/devices/pci0000:00/0000:00:00.0
+class = 0x060000
+vendor = 0x8086
+device = 0x2020
+subsystem_vendor = 0x0000
+subsystem_device = 0x0000
+revision = 0x04
+numa_node = 0
/sys/devices/pci0000:00/0000:00:1c.0
+class = 0x060400
+vendor = 0x8086
+device = 0xa190
+subsystem_vendor = 0x15d9
+subsystem_device = 0x0953
+revision = 0xf9
+numa_node = 0
+driver -> /sys/bus/pci/drivers/pcieport
+max_link_speed = 8.0 GT/s PCIe
+max_link_width = 8
+current_link_speed = 8 GT/s
+current_link_width = 4
/sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0
+class = 0x020000
+vendor = 0x15b3
+device = 0x1017
+subsystem_vendor = 0x15b3
+subsystem_device = 0x0007
+revision = 0x00
+numa_node = 1
+driver -> /sys/bus/pci/drivers/mlx5_core
+max_link_speed = 8.0 GT/s PCIe
+max_link_width = 16
+current_link_speed = 8.0 GT/s PCIe
+current_link_width = 8
/sys/devices/pci0000:00/0000:00:1f.4
+class = 0x0c0500
+vendor = 0x8086
+device = 0xa1a3
+subsystem_vendor = 0x15d9
+subsystem_device = 0x0953
+revision = 0x09
+numa_node = -1
/sys/devices/pci0000:3a/0000:3a:00.0
+class = 0x030200
+vendor = 0x10de
+device = 0x1db6
+subsystem_vendor = 0x10de
+subsystem_device = 0x124a
+revision = 0xa1
+numa_node = 1
+driver -> /sys/bus/pci/drivers/nvidia
+max_link_speed = 8.0 GT/s PCIe
+max_link_width = 16
+current_link_speed = Unknown
+current_link_width = 0
+resource = 0x00000000b6000000 0x00000000b6ffffff 0x0000000000040200\n0x0000382000000000 0x0000382fffffffff 0x000000000014220c\n0x0000000000000000 0x0000000000000000 0x0000000000000000\n0x0000383000000000 0x0000383001ffffff 0x000000000014220c
/sys/devices/pci0000:00/0000:00:02.0
+class = 0x030000
+vendor = 0x1a03
+device = 0x2000
+revision = 0x41
+driver -> /sys/bus/pci/drivers/ast
+boot_vga = 1
+resource = 0x00000000ba000000 0x00000000baffffff 0x0000000000040200
# One that was unplugged while this was read.
/sys/devices/pci0000:00/0000:00:1e.0
+class = 0x0c0330
/sys/bus/pci/devices
+0000:00:00.0 -> /sys/devices/pci0000:00/0000:00:00.0
+0000:00:1c.0 -> /sys/devices/pci0000:00/0000:00:1c.0
+0000:02:00.0 -> /sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0
+0000:00:1f.4 -> /sys/devices/pci0000:00/0000:00:1f.4
+0000:3a:00.0 -> /sys/devices/pci0000:3a/0000:3a:00.0
+0000:00:02.0 -> /sys/devices/pci0000:00/0000:00:02.0
+0000:00:1e.0 -> /sys/devices/pci0000:00/0000:00:1e.0
`

const serverModules = `
/proc/sys/kernel/osrelease = 6.12.1-test
/lib/modules/6.12.1-test/modules.alias = # Aliases\nalias pci:v00008086d0000A1A3sv*sd*bc*sc*i* i2c_i801\nalias pci:v00008086d*sv*sd*bc02sc*i* other
`

func serverPCI() []hardware.PCI {
	return []hardware.PCI{
		{ID: "0000:00:00.0", Class: "060000", Vendor: "8086", Device: "2020", Revision: "04", NUMA: ptr(0)},
		{ID: "0000:00:02.0", Class: "030000", Vendor: "1a03", Device: "2000", Revision: "41", Driver: "ast"},
		{ID: "0000:00:1c.0", Class: "060400", Vendor: "8086", Device: "a190", SubVendor: "15d9", SubDevice: "0953", Revision: "f9", NUMA: ptr(0),
			Driver: "pcieport", Link: "8.0 GT/s x8", Readings: &hardware.PCIReadings{Link: "8.0 GT/s x4"}},
		{ID: "0000:00:1f.4", Class: "0c0500", Vendor: "8086", Device: "a1a3", SubVendor: "15d9", SubDevice: "0953", Revision: "09", Module: "i2c_i801"},
		{ID: "0000:02:00.0", Class: "020000", Vendor: "15b3", Device: "1017", SubVendor: "15b3", SubDevice: "0007", Revision: "00", NUMA: ptr(1),
			Driver: "mlx5_core", Link: "8.0 GT/s x16", Readings: &hardware.PCIReadings{Link: "8.0 GT/s x8"}},
		{ID: "0000:3a:00.0", Class: "030200", Vendor: "10de", Device: "1db6", SubVendor: "10de", SubDevice: "124a", Revision: "a1", NUMA: ptr(1),
			Driver: "nvidia", Link: "8.0 GT/s x16"},
	}
}

func TestPCI(t *testing.T) {
	got, err := PCI(context.Background(), tree(t, server, serverModules))
	if diff := cmp.Diff(serverPCI(), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestPCISlots(t *testing.T) {
	h := tree(t, server)
	table := structure(9, 1, []byte{1, 0xb6, 0xd, 4, 4, 2, 0, 0xc, 1, 0, 0, 0, 0x1c << 3}, "CPU1 SLOT2 PCI-E 3.0 X8") // type 9: by its port
	table = append(table, structure(9, 2, []byte{1, 0xb6, 0xd, 4, 4, 3, 0, 0xc, 1, 0, 0, 0x3a, 0}, "CPU2 SLOT6")...)
	table = append(table, structure(41, 3, []byte{1, 0x83, 1, 0, 0, 0, 2 << 3}, "ASPEED Video AST2500")...)
	table = append(table, structure(127, 4, nil)...)
	dir := h.Path("/sys/firmware/dmi/tables")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	entry := []byte("_SM3_\x00\x18\x03\x00\x00\x01\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, b := range entry {
		entry[5] -= b
	}
	for name, b := range map[string][]byte{"smbios_entry_point": entry, "DMI": table} {
		if err := os.WriteFile(dir+"/"+name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := PCI(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range found {
		got[p.ID] = p.Slot
	}
	want := map[string]string{
		"0000:00:00.0": "", "0000:00:02.0": "ASPEED Video AST2500", "0000:00:1c.0": "", "0000:00:1f.4": "",
		"0000:02:00.0": "CPU1 SLOT2 PCI-E 3.0 X8", "0000:3a:00.0": "CPU2 SLOT6",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// structure is one of an SMBIOS table.
func structure(kind, handle byte, fields []byte, texts ...string) []byte {
	b := append([]byte{kind, byte(4 + len(fields)), handle, 0}, fields...)
	for _, s := range texts {
		b = append(append(b, s...), 0)
	}
	if len(texts) == 0 {
		b = append(b, 0)
	}
	return append(b, 0)
}

func TestPCINothing(t *testing.T) {
	got, err := PCI(context.Background(), tree(t))
	if got != nil || err != nil {
		t.Errorf("a machine without PCI: %v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := PCI(ctx, tree(t, server)); err == nil {
		t.Error("no error after the time is up")
	}
	// A list of modules that was cut costs only the modules.
	h := tree(t, server, "/proc/sys/kernel/osrelease = 6.12.1-test")
	if err := os.MkdirAll(h.Path("/lib/modules/6.12.1-test"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Path("/lib/modules/6.12.1-test/modules.alias"), []byte("alias pci:"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := PCI(context.Background(), h); len(got) != len(serverPCI()) || err == nil || !strings.Contains(err.Error(), "modules") {
		t.Errorf("with a damaged list of modules: %d functions, %v", len(got), err)
	}
}

func TestLink(t *testing.T) {
	for _, c := range []struct{ speed, width, want string }{
		{"2.5 GT/s PCIe", "1", "2.5 GT/s x1"}, {"8 GT/s", "4", "8.0 GT/s x4"}, {"16.0 GT/s PCIe", "16", "16.0 GT/s x16"},
		{"Unknown", "4", ""}, {"Unknown speed", "0", ""}, {"8.0 GT/s", "0", ""}, {"8.0 GT/s", "255", ""}, {"8.0 GT/s", "", ""}, {"NaN", "1", ""}, {"Inf GT/s", "1", ""},
		{"-1 GT/s", "1", ""}, {"1e300 GT/s", "1", ""}, {"", "", ""},
	} {
		h := tree(t, "/d\n+max_link_speed = "+c.speed+"\n+max_link_width = "+c.width)
		if got := link(h, "/d/max"); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.speed, c.width, got, c.want)
		}
	}
}

func TestGPUs(t *testing.T) {
	laptop := `
/sys/bus/pci/devices/0000:00:02.0
+class = 0x030000
+vendor = 0x8086
+device = 0x9a49
+driver -> /sys/bus/pci/drivers/i915
+boot_vga = 1
+resource = 0x000000601c000000 0x000000601cffffff 0x0000000000140204\n0x0000000000000000 0x0000000000000000 0x0000000000000000\n0x0000004000000000 0x000000400fffffff 0x000000000014220c
/sys/bus/pci/devices/0000:03:00.0
+class = 0x038000
+vendor = 0x1002
+device = 0x73ef
+driver -> /sys/bus/pci/drivers/amdgpu
+boot_vga = 0
+mem_info_vram_total = 8573157376
+resource = 0x0000007800000000 0x000000780fffffff 0x000000000014220c
/sys/bus/pci/devices/0000:04:00.0
+class = 0x120000
+vendor = 0x1da3
+device = 0x1000
`
	for name, c := range map[string]struct {
		machine string
		want    []hardware.GPU
	}{
		"server": {server, []hardware.GPU{
			{ID: "0000:00:02.0", Vendor: "1a03", Device: "2000", Driver: "ast", Boot: true},
			{ID: "0000:3a:00.0", Vendor: "10de", Device: "1db6", Driver: "nvidia", Memory: 64 << 30, NUMA: ptr(1)},
		}},
		"laptop": {laptop, []hardware.GPU{
			{ID: "0000:00:02.0", Vendor: "8086", Device: "9a49", Driver: "i915", Memory: 256 << 20, Boot: true},
			{ID: "0000:03:00.0", Vendor: "1002", Device: "73ef", Driver: "amdgpu", Memory: 8573157376},
			{ID: "0000:04:00.0", Vendor: "1da3", Device: "1000"},
		}},
		"nothing": {"", nil},
	} {
		got, err := GPUs(context.Background(), tree(t, c.machine))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

func TestPrefetchable(t *testing.T) {
	for _, c := range []struct {
		resource string
		want     int64
	}{
		{"", 0}, {"garbage\n1 2\n", 0}, {"0x0 0xffff 0x2200", 1 << 16}, {"0xffff 0x0 0x2200", 0}, {"0x0 0xffffffffffffffff 0x2200", 0},
		{"0x0 0xffff 0x2100", 0}, {"x 0xffff 0x2200", 0}, {strings.Repeat("0x0 0x0 0x0\n", 6) + "0x0 0xffff 0x2200", 0},
	} {
		if got := prefetchable(c.resource); got != c.want {
			t.Errorf("%q: %d, want %d", c.resource, got, c.want)
		}
	}
}

// TestLspci compares with what lspci says of this machine.
func TestLspci(t *testing.T) {
	out, err := exec.Command("lspci", "-nmmD").Output()
	if err != nil {
		t.Skip("no lspci: ", err)
	}
	var want, got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(strings.ReplaceAll(line, `"`, ""))
		want = append(want, strings.Join(f[:4], " "))
	}
	found, err := PCI(context.Background(), sysfs.Host{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		got = append(got, p.ID+" "+p.Class[:4]+" "+p.Vendor+" "+p.Device)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
