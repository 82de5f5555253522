package report

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func (p *printer) nics(list []hardware.NIC) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, n := range list {
		if n.Readings != nil && n.Current == "" {
			n.Current = n.Readings.MAC
		}
		rows = append(rows, []string{n.Name, n.MAC, n.Driver, link(n), neighbour(n.Neighbour), when(n.MaxSpeed > 0, speed(n.MaxSpeed)), n.Media, n.Address, n.Current, n.Firmware, strings.Join(n.WOL, " ")})
	}
	p.section("NICs", count(len(list), "interface"))
	p.table("NAME MAC DRIVER LINK SWITCH CAN MEDIA ADDRESS MAC_NOW FIRMWARE WAKES_BY", rows)
}

// speed is Mbit/s in words.
func speed(mbit int) string {
	if mbit >= 1000 {
		return decimal(float64(mbit)/1000) + " Gbit/s"
	}
	return strconv.Itoa(mbit) + " Mbit/s"
}

func link(n hardware.NIC) string {
	r, boot := n.Readings, when(n.PXE, "(boot)")
	switch {
	case r == nil:
		return boot
	case r.Carrier && r.Speed > 0:
		return words(speed(r.Speed), when(r.Duplex == "half", "half duplex"), boot)
	case r.Carrier:
		return words("up", boot)
	case r.Up:
		return words("no carrier", boot)
	}
	return words("down", boot)
}

func neighbour(n *hardware.Neighbour) string {
	if n == nil {
		return ""
	}
	name := n.Switch
	if name == "" {
		name = n.Chassis
	}
	earlier := ""
	if n.Readings != nil && n.Readings.Earlier {
		earlier = "(at an earlier boot)"
	}
	return words(name, n.Port, named("VLAN", number(n.VLAN)), earlier)
}

func (p *printer) wireless(list []hardware.Radio) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, r := range list {
		name := r.Name
		if name == "" {
			name = r.ID
		}
		rows = append(rows, []string{name, r.Class, driver(r.Driver, ""), ids(r.Vendor, r.Device), bands(r.Bands), r.MAC, strings.Join(r.Modes, " "), r.Domain, title(r.VendorName, r.DeviceName), antennas(r.Antennas), r.Firmware})
	}
	p.section("Wireless", count(len(list), "radio"))
	p.table("NAME KIND DRIVER IDS ~BANDS MAC MODES DOMAIN MODEL ANTENNAS FIRMWARE", rows)
}

func bands(list []hardware.Band) string {
	var all []string
	for _, b := range list {
		open := 0
		for _, c := range b.Channels {
			if !c.Disabled {
				open++
			}
		}
		best := ""
		switch {
		case b.EHT:
			best = "be"
		case b.HE:
			best = "ax"
		case b.VHT:
			best = "ac"
		case b.HT:
			best = "n"
		}
		all = append(all, words(b.ID, best, when(open > 0, "("+count(open, "channel")+")")))
	}
	return strings.Join(all, ", ")
}

func antennas(a *hardware.Antennas) string {
	if a == nil {
		return ""
	}
	return "tx 0x" + strconv.FormatInt(int64(a.TX), 16) + " rx 0x" + strconv.FormatInt(int64(a.RX), 16)
}
