package device

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// collect has every collector look at a machine.
func collect(t *testing.T, h sysfs.Host) (d hardware.Document, errs []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err [7]error
	d.PCI, err[0] = PCI(ctx, h)
	d.USB, err[1] = USB(ctx, h)
	d.GPUs, err[2] = GPUs(ctx, h)
	d.SDRs, err[3] = SDRs(ctx, h)
	d.SerialPorts, err[4] = SerialPorts(ctx, h)
	d.Watchdogs, err[5] = Watchdogs(ctx, h)
	d.Sensors, err[6] = Sensors(ctx, h)
	for _, err := range err {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return d, errs
}

// ids are those of all members, by section.
func ids(d hardware.Document) map[string][]string {
	m := map[string][]string{}
	for _, x := range d.PCI {
		m["pci"] = append(m["pci"], x.ID)
	}
	for _, x := range d.USB {
		m["usb"] = append(m["usb"], x.ID)
	}
	for _, x := range d.GPUs {
		m["gpus"] = append(m["gpus"], x.ID)
	}
	for _, x := range d.SDRs {
		m["sdrs"] = append(m["sdrs"], x.ID)
	}
	for _, x := range d.SerialPorts {
		m["serial_ports"] = append(m["serial_ports"], x.ID)
	}
	for _, x := range d.Watchdogs {
		m["watchdogs"] = append(m["watchdogs"], x.ID)
	}
	for _, x := range d.Sensors {
		m["sensors"] = append(m["sensors"], x.ID)
	}
	return m
}

// check tells what no machine may make of a document.
func check(t *testing.T, d hardware.Document) {
	t.Helper()
	for section, all := range ids(d) {
		seen := map[string]bool{}
		for _, id := range all {
			if id == "" || seen[id] || !utf8.ValidString(id) || strings.ContainsAny(id, "\x1b\n\x00") || len(id) > 1000 {
				t.Errorf("%s: bad id %q", section, id)
			}
			seen[id] = true
		}
	}
	if _, err := json.Marshal(d); err != nil { // no NaN
		t.Error(err)
	}
}

// A machine of which every file says something wrong.
func TestMalformed(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "binary": "\x00\xff\xfe\x1b[2J\x80", "negative": "-1", "huge": "99999999999999999999999999", "hexadecimal": "0xffffffffffffffff", "not a number": "NaN",
		"long": strings.Repeat("A\x07", 1<<19), "lines": strings.Repeat("0x0 0xffffffffffffffff 0xffffffffffffffff\n", 100), "least": "-9223372036854775808",
	} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, server, serverModules, laptopUSB, ports1, chips, bench)
			d, errs := collect(t, h)
			check(t, d)
			if len(errs) > 0 || len(d.Sensors) != len(sensors()) {
				t.Fatalf("before: %d sensors, %v", len(d.Sensors), errs)
			}
			err := filepath.WalkDir(h.Root, func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.Type().IsRegular() {
					return os.WriteFile(path, []byte(content), 0o644)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			d, _ = collect(t, h)
			check(t, d)
		})
	}
}

// Directories where files ought to be, links that lead nowhere or round in
// circles, files that may not be read.
func TestMalformedTree(t *testing.T) {
	h := tree(t, `
/sys/bus/pci/devices/0000:00:00.0
+vendor/x = 1
+device = 0x1234
/sys/bus/pci/devices
+0000:00:01.0 -> nowhere
+0000:00:02.0 -> 0000:00:02.0
+\x1b[2J -> ../../../../../../../../..
/sys/bus/usb/devices
+1-1 -> nowhere
+1-1:1.0 -> 1-1:1.0
+-:-: = x
+: = x
/sys/class/hwmon
+hwmon0 -> nowhere
+hwmon1 -> hwmon1
+hwmon2/temp1_input/x = 1
+hwmon2/fan99999999999999999999_input = 1
+hwmon2/in_input = 1
+hwmon2/_input = 1
+hwmon2/_ = 1
/sys/class/thermal
+thermal_zone0 -> nowhere
+thermal_zone1/type/x = 1
/sys/class/tty
+ttyS0 -> nowhere
+ttyS1/device -> ../..
+ttyS1/type = 4
+ttyS2/device -> ../../../../../../..
+ttyS2/type = 4
/sys/class/watchdog
+watchdog0 -> nowhere
+watchdog1/device -> ../../../../../..
`)
	d, errs := collect(t, h)
	check(t, d)
	if len(errs) > 0 {
		t.Error(errs)
	}
	want := map[string][]string{
		"serial_ports": {"class"}, "sensors": {"unknown fan99999999999999999999", "unknown temp1"}, "watchdogs": {"watchdog0", "watchdog1"},
	}
	if diff := cmp.Diff(want, ids(d)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The same machine twice is the same but for readings.
func TestTwice(t *testing.T) {
	var two [2]hardware.Document
	for i := range two {
		two[i], _ = collect(t, tree(t, server, serverModules, laptopUSB, ports1, chips, bench))
	}
	if diff := cmp.Diff(two[0], two[1]); diff != "" {
		t.Error(diff)
	}
}
