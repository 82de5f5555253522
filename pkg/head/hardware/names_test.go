package hardware

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/hardware/ids"
)

func write(t *testing.T, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	names := &Names{
		PCI:     ids.At(write(t, "8086  Intel Corporation\n\t1533  I210\n\t2723  AX200\n10de  NVIDIA\nC 02  Network controller\n\t00  Ethernet controller\n", dir, "pci.ids")),
		USB:     ids.At(write(t, "2500  Ettus Research LLC\n\t0020  USRP B200\n0bda  Realtek\n", dir, "usb.ids")),
		Modules: filepath.Join(dir, "modules"), Log: slog.New(slog.DiscardHandler),
	}
	alias := write(t, "alias pci:v00008086d00001533sv*sd*bc*sc*i* igb\nalias usb:v2500p0020d*dc*dsc*dp*ic*isc*ip*in* b200\n", dir, "modules", "6.1.0-1", "modules.alias")
	write(t, "", dir, "modules", "extra")
	text := boot(t, "b1", func(d *hardware.Document) {
		d.PCI = append(d.PCI, hardware.PCI{ID: "0000:02:00.0", Class: "020000", Vendor: "8086", Device: "1533", SubVendor: "1028", SubDevice: "0001", Driver: "igb"},
			hardware.PCI{ID: "0000:03:00.0", Class: "020000", Vendor: "8086", Device: "9999"},
			hardware.PCI{ID: "0000:04:00.0", Class: "020000", Vendor: "8086", Device: "1533"})
		d.GPUs = []hardware.GPU{{ID: "0000:05:00.0", Vendor: "10de", Device: "0001"}}
		d.USB = []hardware.USB{{ID: "1-1", Vendor: "2500", Device: "0020", Version: "1.00", Interfaces: []hardware.USBInterface{{ID: "00", Class: "ff0000"}, {ID: "01", Class: "030000", Driver: "usbhid"}}}}
		d.Wireless = []hardware.Radio{{ID: "0000:06:00.0", Bus: "pci", Vendor: "8086", Device: "2723"}, {ID: "1-2", Bus: "usb", Vendor: "0bda", Device: "8812"}, {ID: "x"}}
	})
	document, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	d := Typed(names.Add(document, noon))
	var got []string
	for _, p := range d.PCI {
		got = append(got, strings.Join([]string{p.ID, p.VendorName, p.DeviceName, p.ClassName, p.Driver, p.Module}, "|"))
	}
	for _, g := range d.GPUs {
		got = append(got, g.VendorName+"|"+g.DeviceName)
	}
	for _, u := range d.USB {
		got = append(got, u.VendorName+"|"+u.DeviceName+"|"+u.Interfaces[0].Module+"|"+u.Interfaces[1].Module)
	}
	for _, r := range d.Wireless {
		got = append(got, r.VendorName+"|"+r.DeviceName)
	}
	want := []string{
		"0000:01:00.0|Intel Corporation|I210|Ethernet controller||igb",
		"0000:02:00.0|Intel Corporation|I210|Ethernet controller|igb|",
		"0000:03:00.0|Intel Corporation||Ethernet controller||",
		"0000:04:00.0|Intel Corporation|I210|Ethernet controller||igb",
		"NVIDIA|", "Ettus Research LLC|USRP B200|b200|", "Intel Corporation|AX200", "Realtek|", "|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if after, err := json.Marshal(document); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the document itself has changed: %s", after)
	}

	// Another list of aliases counts from now on.
	write(t, "alias pci:v00008086d00001533sv*sd*bc*sc*i* e1000e\n", alias)
	if err := os.Chtimes(alias, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if d := Typed(names.Add(document, noon)); d.PCI[0].Module != "e1000e" {
		t.Errorf("module by the new list: %q", d.PCI[0].Module)
	}
	var none *Names
	if got := none.Add(document, noon); len(got) != len(document) {
		t.Error("no names make another document")
	}
	bare := &Names{Modules: filepath.Join(dir, "none"), Log: names.Log}
	if d := Typed(bare.Add(document, noon)); d.PCI[0].VendorName != "" || d.PCI[0].Module != "" {
		t.Errorf("names out of nothing: %+v", d.PCI[0])
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { names.Add(document, time.Now()) })
	}
	wait.Wait()
}

// Of several kernels' lists that of the running one counts.
func TestAliasesOfTheRunningKernel(t *testing.T) {
	running, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip("which kernel runs cannot be told: ", err)
	}
	dir := t.TempDir()
	n := &Names{Modules: dir}
	if path, _ := n.list(); path != "" {
		t.Errorf("without any: %s", path)
	}
	write(t, "", dir, "0.1", "modules.alias")
	last := write(t, "", dir, "zz", "modules.alias")
	if path, _ := n.list(); path != last {
		t.Errorf("without its own: %s", path)
	}
	own := write(t, "", dir, strings.TrimSpace(string(running)), "modules.alias")
	if path, _ := n.list(); path != own {
		t.Errorf("with its own: %s", path)
	}
}

func TestWarnings(t *testing.T) {
	d := machine("b1")
	if got := Warnings(d); got != nil {
		t.Errorf("of a healthy machine: %v", got)
	}
	d.Memory.Modules[0].Readings = &hardware.ErrorCounts{Corrected: 3}
	d.Memory.Readings = &hardware.MemoryReadings{Corrected: ptr[int64](3)}
	d.Disks[0].Readings = &hardware.DiskReadings{Healthy: ptr(false), Warnings: []string{"hot\x1b[2J"}, Wear: ptr(97), Spare: ptr(3),
		MediaErrors: ptr[int64](1), Pending: ptr[int64](2), Uncorrectable: ptr[int64](3), Reallocated: ptr[int64](4)}
	d.NICs[0].MaxSpeed, d.NICs[0].Readings = 1000, &hardware.NICReadings{Carrier: true, Speed: 100}
	d.Watchdogs = []hardware.Watchdog{{ID: "iTCO", Readings: &hardware.WatchdogReadings{Caused: true}}}
	d.Sensors = []hardware.Sensor{
		{ID: "t1", Kind: "temperature", Crit: ptr(96.0), Readings: &hardware.SensorReadings{Value: 97.5}},
		{ID: "f1", Kind: "fan", Readings: &hardware.SensorReadings{Alarm: true}}, {ID: "t2", Kind: "temperature"},
		{ID: "t3", Kind: "temperature", Crit: ptr(96.0), Readings: &hardware.SensorReadings{Value: 40}},
	}
	d.Burnin = &hardware.Burnin{Tests: []hardware.BurninTest{{ID: "cpu", Passed: true}, {ID: "memory", Error: "bit 3"}}}
	d.Errors = []hardware.Problem{{ID: "bmc", Error: "gave up"}}
	var got []string
	for _, w := range Warnings(d) {
		got = append(got, w.String())
	}
	want := []string{
		"memory DIMM A1: since boot 3 errors corrected, 0 not",
		"disks naa.5000c500a1b2c3d4: it says that it is failing",
		"disks naa.5000c500a1b2c3d4: hot?[2J",
		"disks naa.5000c500a1b2c3d4: 97% of its life is used",
		"disks naa.5000c500a1b2c3d4: 3% of its spare blocks are left",
		"disks naa.5000c500a1b2c3d4: 1 media errors",
		"disks naa.5000c500a1b2c3d4: 2 sectors that cannot be read",
		"disks naa.5000c500a1b2c3d4: 3 uncorrectable sectors",
		"disks naa.5000c500a1b2c3d4: 4 sectors were replaced",
		"nics 52:54:00:00:00:01: runs at 100 Mbit/s, could do 1000: look at the cable",
		"watchdogs iTCO: it caused the last reset",
		"sensors t1: temperature of 97.5 is critical (96)",
		"sensors f1: fan alarm at 0",
		"burnin memory: failed: bit 3",
		"bmc: could not be learned, or not wholly: gave up",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	d = machine("b1")
	d.Memory.Readings = &hardware.MemoryReadings{Uncorrected: ptr[int64](1)}
	d.Burnin = &hardware.Burnin{}
	if got := Warnings(d); len(got) != 2 || got[0].String() != "memory: since boot 0 errors corrected, 1 not" || got[1].String() != "burnin: failed" {
		t.Errorf("of all memory: %v", got)
	}
}

// A node that makes devices up costs the others nothing.
func TestManyDevicesWithoutDrivers(t *testing.T) {
	dir := t.TempDir()
	write(t, "alias pci:v00008086d*sv*sd*bc*sc*i* igb\n", dir, "1", "modules.alias")
	names := &Names{Modules: dir}
	d := machine("b1")
	for i := range 2 * mostWanted {
		d.PCI = append(d.PCI, hardware.PCI{ID: strconv.Itoa(i), Class: "020000", Vendor: "8086", Device: fmt.Sprintf("%04x", i)})
	}
	found := 0
	for _, p := range Typed(names.Add(tree(t, d), noon)).PCI {
		if p.Module == "igb" {
			found++
		}
	}
	if found != mostWanted || len(names.modules) != mostWanted {
		t.Errorf("%d devices have modules, %d are remembered, want %d", found, len(names.modules), mostWanted)
	}
}

func tree(t *testing.T, d hardware.Document) map[string]any {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	document, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestSpareBlocks(t *testing.T) {
	for _, test := range []struct {
		spare   int
		healthy *bool
		warns   int
	}{{0, ptr(true), 0}, {0, nil, 1}, {0, ptr(false), 2}, {10, ptr(true), 1}, {11, ptr(true), 0}} {
		d := machine("b1")
		d.Disks[0].Readings = &hardware.DiskReadings{Spare: &test.spare, Healthy: test.healthy}
		if got := Warnings(d); len(got) != test.warns {
			t.Errorf("%d%%: %v", test.spare, got)
		}
	}
}
