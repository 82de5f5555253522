// Package modalias finds the kernel module that would drive a device: the
// aliases by which the kernel names devices (Documentation/driver-api and
// file2alias.c of Linux, for PCI functions and USB interfaces) and the patterns
// of depmod's file modules.alias.
package modalias

import (
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// PCI is the alias of a function, as its file modalias in sysfs has it. "" where
// the document doesn't say enough.
func PCI(p hardware.PCI) string {
	class := p.Class
	if len(class) != 6 || p.Vendor == "" || p.Device == "" {
		return ""
	}
	return "pci:v" + hex(p.Vendor, 8) + "d" + hex(p.Device, 8) + "sv" + hex(p.SubVendor, 8) + "sd" + hex(p.SubDevice, 8) +
		"bc" + hex(class[:2], 2) + "sc" + hex(class[2:4], 2) + "i" + hex(class[4:], 2)
}

// USB is the alias of an interface of a device.
func USB(d hardware.USB, i hardware.USBInterface) string {
	if len(i.Class) != 6 || d.Vendor == "" || d.Device == "" {
		return ""
	}
	class := d.Class
	if len(class) != 6 {
		class = "000000"
	}
	return "usb:v" + hex(d.Vendor, 4) + "p" + hex(d.Device, 4) + "d" + hex(strings.ReplaceAll(d.Version, ".", ""), 4) +
		"dc" + hex(class[:2], 2) + "dsc" + hex(class[2:4], 2) + "dp" + hex(class[4:], 2) +
		"ic" + hex(i.Class[:2], 2) + "isc" + hex(i.Class[2:4], 2) + "ip" + hex(i.Class[4:], 2) + "in" + hex(i.ID, 2)
}

// hex writes digits as the kernel does in an alias: capitals, so many of them.
func hex(digits string, width int) string {
	if n := width - len(digits); n > 0 {
		digits = "00000000"[:n] + digits
	}
	return strings.ToUpper(digits)
}
