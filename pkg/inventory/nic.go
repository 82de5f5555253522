package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// NIC is one Ethernet interface with hardware behind it.
type NIC struct {
	Name    string `json:"name"`
	MAC     string `json:"mac"` // lower case, colons
	Driver  string `json:"driver,omitempty"`
	Bus     string `json:"bus,omitempty"`    // PCI or USB address, virtio device
	Vendor  string `json:"vendor,omitempty"` // PCI ids, hexadecimal
	Device  string `json:"device,omitempty"`
	Carrier bool   `json:"carrier"`        // a cable and someone at its other end; false too while the link is down
	Mbps    int    `json:"mbps,omitempty"` // 0 = not known
	MTU     int    `json:"mtu,omitempty"`  // bytes
}

// nics lists the interfaces in dir, /sys/class/net, sorted by name. Bridges,
// VLANs, tunnels and the loopback have no device link and are left out.
func nics(dir string) ([]NIC, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	const ethernet = "1" // ARPHRD_ETHER
	var found []NIC
	for _, e := range entries {
		at := func(name string) string { return filepath.Join(dir, e.Name(), name) }
		if _, err := os.Stat(at("device")); err != nil || read(at("type")) != ethernet {
			continue
		}
		n := NIC{
			Name:    e.Name(),
			MAC:     strings.ToLower(read(at("address"))),
			Driver:  linkName(at("device/driver")),
			Bus:     linkName(at("device")),
			Vendor:  strings.TrimPrefix(read(at("device/vendor")), "0x"),
			Device:  strings.TrimPrefix(read(at("device/device")), "0x"),
			Carrier: read(at("carrier")) == "1",
		}
		n.Mbps, _ = strconv.Atoi(read(at("speed")))
		n.Mbps = max(n.Mbps, 0) // -1 = not known
		n.MTU, _ = strconv.Atoi(read(at("mtu")))
		found = append(found, n)
	}
	return found, nil
}

func linkName(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}
