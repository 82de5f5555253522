package network

import (
	"path"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// place is where a device is attached.
type place struct {
	path    string // in sysfs; orders devices
	bus     string // pci, usb, virtio, ...
	address string // that stays: of the PCI function, the USB port, else the device's name
	dir     string // in sysfs, of what has the address
}

// placeOf finds where the device that a link leads to is attached.
func placeOf(h sysfs.Host, link string) (place, bool) {
	real := h.Real(link)
	if real == "" {
		return place{}, false
	}
	p := place{real, h.Base(real + "/subsystem"), path.Base(real), real}
	switch p.bus {
	case "usb":
		if port, _, ok := strings.Cut(p.address, ":"); ok { // an interface of the device
			p.address, p.dir = port, path.Dir(real)
		}
	case "virtio": // numbered in order of discovery
		p.dir = path.Dir(real)
		p.address = path.Base(p.dir)
	}
	return p, true
}

// numa is the node a device is near, nil if none is or nobody knows.
func (p place) numa(h sysfs.Host) *int {
	if n, ok := h.Int(p.dir + "/numa_node"); ok && n >= 0 {
		node := int(n)
		return &node
	}
	return nil
}
