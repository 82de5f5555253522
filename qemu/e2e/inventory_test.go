package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// appears waits until a file is there.
func (l *lab) appears(path string) {
	l.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			l.Fatalf("%s does not appear", path)
		}
	}
}

// inventory waits for the document of a boot other than the one that is named,
// as the head has it.
func (l *lab) inventory(not string) (d hardware.Document, raw []byte) {
	l.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, err := l.get("/v1/nodes/" + mac + "/inventory")
		if err == nil {
			d = hardware.Document{}
			l.check(json.Unmarshal(raw, &d))
			if d.Readings != nil && d.Readings.Boot != not {
				return d, raw
			}
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			log, _ := os.ReadFile(l.head.Log())
			l.Fatalf("no inventory at the head: %v\nits log:\n%s", err, log)
		}
	}
}

// lldpd has the port that the node is plugged into say what a switch says.
func (l *lab) lldpd() bool {
	l.Helper()
	if _, err := exec.LookPath("lldpd"); err != nil {
		l.Log("no switch that says who it is: no lldpd here (package lldpd)")
		return false
	}
	dir := l.TempDir()
	l.check(os.Chmod(filepath.Dir(dir), 0o755)) // lldpd gives up root
	config := filepath.Join(dir, "config")
	l.check(os.WriteFile(config, []byte("configure system hostname rack-switch\nconfigure lldp portidsubtype ifname\nconfigure lldp tx-interval 2\n"), 0o644))
	_, err := l.rack.Run("lldpd", "lldpd", "-d", "-u", filepath.Join(dir, "socket"), "-O", config, "-I", "tap0")
	l.check(err)
	return true
}

// neighbour waits until the head knows where the node is plugged in.
func (l *lab) neighbour() {
	l.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		d, _ := l.inventory("")
		for _, n := range d.NICs {
			if n.MAC == mac && n.Neighbour != nil {
				if n.Neighbour.Switch != "rack-switch" || n.Neighbour.Port != "tap0" {
					l.Errorf("the node is plugged into %+v, want port tap0 of rack-switch", n.Neighbour)
				}
				return
			}
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			l.Fatal("the head does not know where the node is plugged in")
		}
	}
}

// get asks the head.
func (l *lab) get(path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.head.URL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.head.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, b)
	}
	return b, err
}

// Whatever was set for a machine stands in the document that its node sends by
// itself, and after another boot the same does.
func TestInventory(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	n, certificate := l.rich()
	n.Direct = l.direct("orbit.head=" + l.head.URL + " BOOTIF=01-" + strings.ReplaceAll(mac, ":", "-")) // its other networks answer DHCP too
	m := l.start(n)
	wired := l.lldpd()
	first, raw := l.inventory("")
	t.Logf("%d bytes, gathered in %.3f s: %+v", len(raw), first.Readings.Took, first.Readings.Collectors)
	if len(raw) > 256<<10 {
		t.Errorf("the document has %d bytes, more than 256 KiB", len(raw))
	}
	for _, e := range first.Errors {
		t.Errorf("collector %s: %s", e.ID, e.Error)
	}
	if t.Failed() {
		t.Logf("%s", raw)
	}
	set(t, first, certificate)
	if wired {
		l.neighbour()
	}

	l.check(m.Reset(l.ctx))
	second, _ := l.inventory(first.Readings.Boot)
	if diff := cmp.Diff(lasting(t, first), lasting(t, second)); diff != "" {
		t.Errorf("booted again (-first +second):\n%s", diff)
	}
}

// set compares with what rich has set.
func set(t *testing.T, d hardware.Document, certificate string) {
	t.Helper()
	is := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-set +got):\n%s", what, diff)
		}
	}
	is("id", d.ID, "4c4c4544-0042-3510-8052-b4c04f4e4e32")
	is("system", d.System, &hardware.System{
		Vendor: "Rack Works", Product: "RW-2200", Version: "Rev B", Serial: "RW22-000417", SKU: "SKU-77", Family: "RW",
		UUID:    "4c4c4544-0042-3510-8052-b4c04f4e4e32",
		Board:   &hardware.Board{Vendor: "Board Makers", Product: "BM-X", Version: "1.01", Serial: "BM-SER-9"},
		Chassis: &hardware.Chassis{Vendor: "Case Co", Version: "2U", Serial: "CASE-5", Asset: "ASSET-1001", SKU: "CSKU"},
		Virtual: d.System.Virtual,
	})
	if f := d.Firmware; f == nil {
		t.Error("no firmware")
	} else {
		is("firmware", [...]string{f.Mode, f.Vendor, f.Version, f.Date, f.Release}, [...]string{"bios", "Rack Firmware", "R1.2.3", "2024-03-15", "4.7"})
	}

	var sockets []string
	for _, c := range d.CPUs {
		sockets = append(sockets, fmt.Sprint(c.ID, " ", c.Maker, " ", c.Version, " ", c.Serial, " ", c.Part, " ", c.Cores, " ", c.Threads))
	}
	is("sockets", sockets, []string{"SOCKET 0 Chip Foundry CF-9 CPU-SER CPU-PART 1 1", "SOCKET 1 Chip Foundry CF-9 CPU-SER CPU-PART 1 1"})
	var near []string
	for _, n := range d.NUMA {
		near = append(near, fmt.Sprint(n.ID, " ", n.CPUs, " ", n.Distance))
	}
	is("numa", near, []string{"node0 0 [10 21]", "node1 1 [21 10]"})

	if d.Memory == nil {
		t.Fatal("no memory")
	}
	var dimms []module
	for _, m := range d.Memory.Modules {
		dimms = append(dimms, module{m.Slot, m.Bank, m.Vendor, m.Serial, m.Part, uint16(m.Size >> 20), uint16(m.Speed)})
		is("module "+m.ID, [...]any{m.Type, m.Form, m.Clocked, m.Ranks, m.Width, m.ECC, m.Voltage}, [...]any{"DDR4", "DIMM", m.Speed, 2, 64, true, 1200})
	}
	is("modules", fmt.Sprint(dimms), fmt.Sprint(modules))
	is("installed memory", d.Memory.Total, int64(1024<<20))

	type disk struct {
		Bus, Serial, WWN, Model, Firmware string // of NVMe: what it says itself
		Size                              int64
		Sector, Physical, RPM             int
		Rotational                        bool
	}
	disks := map[string]disk{}
	for _, d := range d.Disks {
		if d.Bus == "nvme" {
			d.WWN = d.Namespace // Linux does not believe QEMU's
		}
		disks[d.Serial] = disk{d.Bus, d.Serial, d.WWN, d.Model, d.Firmware, d.Size, d.Sector, d.Physical, d.RPM, d.Rotational}
	}
	nvme, sata, scsi, virtio, usb := disks["NVME-SER-1"], disks["SATA-SER-2"], disks["SCSI-SER-3"], disks["VIRTIO-SER-4"], disks["USB-SER-5"]
	is("disks", len(d.Disks), 5)
	is("nvme", nvme, disk{Bus: "nvme", Serial: "NVME-SER-1", WWN: "eui.0025385b71b01234", Model: "QEMU NVMe Ctrl", Firmware: nvme.Firmware, Size: 3 << 30, Sector: 512, Physical: nvme.Physical})
	is("sata", sata, disk{Bus: "sata", Serial: "SATA-SER-2", WWN: "naa.5000c500a1b2c3d4", Model: "Spinning Rust 5G", Firmware: "FW07", Size: 5 << 30, Sector: 512, Physical: 512, RPM: 7200, Rotational: true})
	is("scsi", scsi, disk{Bus: "scsi", Serial: "SCSI-SER-3", WWN: "naa.5000c500deadbeef", Model: "SCSI-6G", Firmware: "A1", Size: 6 << 30, Sector: 512, Physical: 512})
	is("virtio", virtio, disk{Bus: "virtio", Serial: "VIRTIO-SER-4", Size: 7 << 30, Sector: 4096, Physical: 4096, Rotational: virtio.Rotational})
	is("usb", usb, disk{Bus: "usb", Serial: "USB-SER-5", WWN: usb.WWN, Model: usb.Model, Firmware: usb.Firmware, Size: 1 << 30, Sector: 512, Physical: 512, Rotational: usb.Rotational, RPM: usb.RPM})

	var nics []string
	for _, n := range d.NICs {
		nics = append(nics, n.MAC+" "+n.Driver)
	}
	for _, want := range []string{mac + " e1000e", "52:54:00:aa:00:01 virtio_net", "52:54:00:aa:00:02 8139cp", "52:54:00:aa:00:03 vmxnet3"} {
		if !strings.Contains(strings.Join(nics, "\n"), want) {
			t.Errorf("no card %s among %q", want, nics)
		}
	}
	is("number of cards", len(nics), 4)

	var gadgets []string
	for _, u := range d.USB {
		gadgets = append(gadgets, u.ID+" "+u.Vendor+":"+u.Device+" "+u.Serial)
	}
	is("usb", len(gadgets), 3)
	for _, want := range []string{"USB-SER-5", "KBD-SER-6"} {
		if !strings.Contains(strings.Join(gadgets, "\n"), want) {
			t.Errorf("no device %s among %q", want, gadgets)
		}
	}

	if b := d.BMC; b == nil {
		t.Error("no management controller")
	} else {
		is("bmc", [...]any{b.Interface, b.Vendor, b.Product, b.Firmware, b.GUID}, [...]any{"kcs", 0x1234, 0x5678, "3.17", "a0b1c2d3-0102-0304-0506-0708090a0b0c"})
	}
	if tpm := d.TPM; tpm != nil {
		is("tpm", [...]any{tpm.Version, tpm.Vendor, tpm.EKCert}, [...]any{"2.0", "IBM", certificate})
	} else if _, err := exec.LookPath("swtpm"); err == nil {
		t.Error("no TPM")
	}
	var dogs, ports []string
	for _, w := range d.Watchdogs {
		dogs = append(dogs, w.Identity)
	}
	if !strings.Contains(strings.Join(dogs, " "), "i6300ESB") {
		t.Errorf("no i6300esb among watchdogs %+v", d.Watchdogs)
	}
	for _, p := range d.SerialPorts {
		ports = append(ports, p.Name)
	}
	is("serial ports", len(ports), 2)
}

// lasting is a document without what changes by itself: readings, and names
// that the kernel gives.
func lasting(t *testing.T, d hardware.Document) any {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return strip(v)
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "readings")
		delete(v, "name")
		delete(v, "neighbour")
		for k := range v {
			v[k] = strip(v[k])
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}
