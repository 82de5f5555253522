package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const pciDir = "/sys/bus/pci/devices/"

// PCI lists the functions on all PCI buses.
func PCI(ctx context.Context, h sysfs.Host) ([]hardware.PCI, error) {
	names, err := functions(h)
	if err != nil {
		return nil, err
	}
	all := make([]hardware.PCI, len(names))
	err = each(ctx, len(names), func(i int) { all[i] = function(h, names[i]) })
	var found []hardware.PCI
	for _, p := range all {
		if p.Vendor != "" && p.Device != "" { // it was not unplugged meanwhile
			found = append(found, p)
		}
	}
	slots(h, found)
	return found, errors.Join(err, modules(h, found, nil))
}

// functions names all of them, in order of their addresses.
func functions(h sysfs.Host) ([]string, error) {
	names, err := h.List(pciDir)
	if err != nil {
		return nil, fmt.Errorf("list PCI devices: %w", err)
	}
	slices.Sort(names) // they are hexadecimal
	return names, nil
}

func function(h sysfs.Host, name string) hardware.PCI {
	dir := pciDir + name + "/"
	p := hardware.PCI{
		ID: name, Class: digits(h, dir+"class", 6), Vendor: digits(h, dir+"vendor", 4), Device: digits(h, dir+"device", 4),
		SubVendor: digits(h, dir+"subsystem_vendor", 4), SubDevice: digits(h, dir+"subsystem_device", 4),
		Revision: digits(h, dir+"revision", 2), Driver: h.Base(dir + "driver"),
		NUMA: numa(h, dir), Link: link(h, dir+"max"),
	}
	if p.SubVendor == "0000" && p.SubDevice == "0000" { // bridges have none
		p.SubVendor, p.SubDevice = "", ""
	}
	if now := link(h, dir+"current"); now != "" {
		p.Readings = &hardware.PCIReadings{Link: now}
	}
	return p
}

// digits is a hexadecimal number of so many digits, "" if it is none.
func digits(h sysfs.Host, path string, width int) string {
	s := h.Hex(path)
	if len(s) != width {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return s
}

// numa is the node a device is near, nil if none is or nobody knows.
func numa(h sysfs.Host, dir string) *int {
	if n, ok := h.Int(dir + "numa_node"); ok && n >= 0 {
		node := int(n)
		return &node
	}
	return nil
}

// link is the rate and width of PCI Express, "8.0 GT/s x4": what a device can or,
// by the prefix of the files, does. Kernels have written the rate in several ways.
func link(h sysfs.Host, prefix string) string {
	rate, _, _ := strings.Cut(h.Text(prefix+"_link_speed"), " ")
	gt, err := strconv.ParseFloat(rate, 64)
	width, ok := h.Int(prefix + "_link_width")
	if err != nil || !(gt > 0 && gt < 1000) || !ok || width < 1 || width > 32 {
		return ""
	}
	return strconv.FormatFloat(gt, 'f', 1, 64) + " GT/s x" + strconv.Itoa(int(width))
}
