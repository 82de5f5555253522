package network

import (
	"context"
	"slices"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/network/lldp"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// neighbours listens on the ports that have a carrier, by default for less than
// the time that all of an inventory may take.
func (c collector) neighbours(ctx context.Context, all []*port) (map[int]hardware.Neighbour, error) {
	const usual = 800 * time.Millisecond
	if c.LLDP == 0 {
		c.LLDP = usual
	}
	var ports []*port
	for _, p := range all {
		if p.Readings.Carrier && !p.infini && p.index > 0 {
			ports = append(ports, p)
		}
	}
	if c.listen == nil || c.LLDP < 0 || len(ports) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.LLDP)
	defer cancel()
	return c.listen(ctx, ports, c.Options, c.host)
}

// listen is neighbours by LLDP.
func listen(ctx context.Context, ports []*port, o Options, h sysfs.Host) (map[int]hardware.Neighbour, error) {
	var all []lldp.Port
	for _, p := range ports {
		at := lldp.Port{Index: p.index, Name: p.Name}
		copy(at.MAC[:], parseMAC(h.Text(p.dir+"address")))
		all = append(all, at)
	}
	var hello *lldp.PDU
	if o.Announce {
		hello = announcement(h)
	}
	heard, err := lldp.Listen(ctx, all, hello)
	found := make(map[int]hardware.Neighbour, len(heard))
	for index, p := range heard {
		found[index] = neighbour(p)
	}
	return found, err
}

// announcement is what the node says of itself.
func announcement(h sysfs.Host) *lldp.PDU {
	const stay = 120 // s: the usual four times 30
	p := lldp.PDU{TTL: stay, System: h.Text("/proc/sys/kernel/hostname"), Capable: lldp.Station, Enabled: lldp.Station,
		Description: "Orbit " + version.String() + ", Linux " + h.Text("/proc/sys/kernel/osrelease")}
	if p.System == "(none)" {
		p.System = ""
	}
	return &p
}

func neighbour(p lldp.PDU) hardware.Neighbour {
	n := hardware.Neighbour{
		Chassis: p.Chassis.String(), Port: p.Port.String(), Switch: p.System, Description: p.Description,
		PortName: p.PortDescription, VLAN: p.VLAN, MTU: p.MaxFrame,
	}
	for _, a := range p.Addresses {
		if a.Family == 1 || a.Family == 2 { // of IP
			n.Address = a.String()
			break
		}
	}
	for _, v := range p.VLANs {
		if !slices.Contains(n.VLANs, v.ID) {
			n.VLANs = append(n.VLANs, v.ID)
		}
	}
	slices.Sort(n.VLANs)
	return n
}
