package inventory

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// Table writes m for people.
func (m Machine) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("machine", words(m.Vendor, m.Product))
	row("serial", m.Serial)
	row("uuid", m.UUID)
	row("board", m.Board)
	row("firmware", words(m.Firmware, m.BIOS))
	row("cpu", fmt.Sprintf("%d x %s", m.CPUs, orDash(m.CPUModel)))
	row("memory", units.Bytes(m.Memory))
	row("kernel", m.Kernel)
	for _, n := range m.NICs {
		row("nic "+n.Name, words(n.MAC, n.link(), n.Driver, n.Bus))
	}
	for _, d := range m.Disks {
		row("disk "+d.Path, words(units.Bytes(d.Size), fmt.Sprintf("sector %d", d.Sector), d.Bus, d.Model, prefixed("serial=", d.Serial), prefixed("wwn=", d.WWN)))
	}
	return t.Flush()
}

func (n NIC) link() string {
	switch {
	case !n.Carrier:
		return "no carrier"
	case n.Mbps > 0:
		return fmt.Sprintf("%d Mbit/s", n.Mbps)
	}
	return "carrier"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
