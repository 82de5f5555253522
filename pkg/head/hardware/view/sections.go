package view

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Section is a table about one kind of thing.
type Section struct {
	Title   string
	Folded  bool // it is long, and seldom looked at
	Columns []string
	Rows    [][]string
}

// About is what there is one of: names and values.
func About(d hardware.Document) (facts [][2]string) {
	add := func(name string, value ...string) {
		if text := join(", ", value...); text != "" {
			facts = append(facts, [2]string{name, text})
		}
	}
	if s := d.System; s != nil {
		add("System", join(" ", s.Vendor, s.Product, s.Version), with("serial ", s.Serial), with("SKU ", s.SKU))
		add("UUID", s.UUID)
		if b := s.Board; b != nil {
			add("Board", join(" ", b.Vendor, b.Product, b.Version), with("serial ", b.Serial))
		}
		if c := s.Chassis; c != nil {
			add("Chassis", c.Type, with("serial ", c.Serial), with("asset ", c.Asset))
		}
		add("Virtual", s.Virtual)
	}
	if f := d.Firmware; f != nil {
		add("Firmware", strings.ToUpper(f.Mode), join(" ", f.Vendor, f.Version), f.Date, fact("Secure Boot", f.SecureBoot))
	}
	if t := d.TPM; t != nil {
		add("TPM", t.Version, join(" ", t.Vendor, t.Model), with("firmware ", t.Firmware))
		add("EK certificate", t.EKCert)
	}
	if b := d.BMC; b != nil {
		add("BMC", b.Address, with("MAC ", b.MAC), with("firmware ", b.Firmware), with("IPMI ", b.IPMI), with("VLAN ", number(b.VLAN, "")))
	}
	add("CPUs", CPUs(d.CPUs))
	if m := d.Memory; m != nil {
		add("Memory", Memory(m), number(m.Slots, " slots"), with("ECC: ", m.ECC), with("at most ", size(m.MaxSize)))
	}
	if r := d.Readings; r != nil {
		add("Inventory", "made "+Stamp(r.Time), with("in ", decimal(r.Took)+" s"), with("by Orbit ", r.Version), with("Linux ", r.Kernel))
	}
	return facts
}

func fact(name string, f *bool) string {
	switch {
	case f == nil:
		return ""
	case *f:
		return name + " on"
	}
	return name + " off"
}

func decimal(f float64) string {
	text := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Sections are the tables of what there are several of.
func Sections(d hardware.Document) []Section {
	all := []Section{processors(d), modules(d.Memory), disks(d.Disks), nics(d.NICs), radios(d.Wireless), sdrs(d.SDRs), gpus(d.GPUs),
		burnin(d.Burnin), pci(d.PCI), usb(d.USB), ports(d), sensors(d.Sensors)}
	some := all[:0]
	for _, s := range all {
		if len(s.Rows) > 0 {
			some = append(some, s)
		}
	}
	return some
}

func (s *Section) row(cells ...string) { s.Rows = append(s.Rows, cells) }

func processors(d hardware.Document) Section {
	s := Section{Title: "CPUs", Columns: []string{"Socket", "Model", "Cores", "Threads", "Microcode", "Virtualization"}}
	for _, c := range d.CPUs {
		s.row(c.ID, join("", c.Model, when(c.Empty, "empty")), number(c.Cores, ""), number(c.Threads, ""), c.Microcode, c.Virtual)
	}
	return s
}

func modules(m *hardware.Memory) Section {
	s := Section{Title: "Memory modules", Columns: []string{"Slot", "Size", "Kind", "Part", "Serial", "Errors"}}
	if m == nil {
		return s
	}
	for _, d := range m.Modules {
		errors := ""
		if r := d.Readings; r != nil {
			errors = join(", ", number(r.Corrected, " corrected"), number(r.Uncorrected, " not"))
		}
		s.row(d.ID, size(d.Size), join(" ", d.Type, d.Form, number(d.Clocked, " MT/s"), when(d.ECC, "ECC")), join(" ", d.Vendor, d.Part), d.Serial, errors)
	}
	return s
}

func disks(list []hardware.Disk) Section {
	s := Section{Title: "Disks", Columns: []string{"Disk", "Size", "Model", "Serial", "Firmware", "State", "Content"}}
	for _, d := range list {
		state := ""
		if r := d.Readings; r != nil {
			state = join(", ", health(r.Healthy), known(r.Temperature, "\u00a0°C"), with("wear ", known(r.Wear, "\u00a0%")), known(r.PowerOnHours, "\u00a0h"))
		}
		kind := join(", ", join(" ", d.Bus, when(d.Rotational, "rotating")), when(d.ReadOnly, "write-protected"), when(d.SED != "none", with("encryption ", d.SED)))
		s.row(join(" ", d.Name, "("+kind+")"), size(d.Size), join(" ", d.Vendor, d.Model), d.Serial, d.Firmware, state, content(d))
	}
	return s
}

func health(h *bool) string {
	switch {
	case h == nil:
		return ""
	case *h:
		return "healthy"
	}
	return "failing"
}

// content is what a disk holds.
func content(d hardware.Disk) string {
	var parts []string
	for _, p := range d.Partitions {
		kind := "?"
		if p.Filesystem != nil {
			kind = p.Filesystem.Type
		}
		parts = append(parts, kind+" "+size(p.Size))
	}
	if d.Filesystem != nil {
		parts = append(parts, d.Filesystem.Type)
	}
	return join(": ", d.Table, strings.Join(parts, ", "))
}

func nics(list []hardware.NIC) Section {
	s := Section{Title: "Network", Columns: []string{"Interface", "MAC", "Driver", "Speed", "Link", "Switch", "Address"}}
	for _, n := range list {
		link := ""
		if r := n.Readings; r != nil {
			link = "no carrier"
			if r.Carrier {
				link = join(" ", "up", speed(r.Speed), r.Duplex)
			}
		}
		vlan := ""
		if n.Neighbour != nil {
			vlan = with("VLAN ", number(n.Neighbour.VLAN, ""))
		}
		s.row(join(" ", n.Name, when(n.PXE, "(boot)")), n.MAC, join(" ", n.Driver, n.Firmware), speed(n.MaxSpeed), link, join(", ", neighbour(n.Neighbour), vlan), n.Address)
	}
	return s
}

func radios(list []hardware.Radio) Section {
	s := Section{Title: "Wireless", Columns: []string{"Device", "Kind", "Model", "Driver", "Bands", "Modes", "Domain"}}
	for _, r := range list {
		var bands []string
		for _, b := range r.Bands {
			bands = append(bands, b.ID)
		}
		s.row(join(" ", r.Name, r.ID), r.Class, model(r.VendorName, r.DeviceName, r.Vendor, r.Device), join("", r.Driver, when(r.Driver == "", "none")),
			strings.Join(bands, ", "), strings.Join(r.Modes, ", "), r.Domain)
	}
	return s
}

// model is a device's name, or its numbers.
func model(vendorName, deviceName, vendor, device string) string {
	if name := join(" ", vendorName, deviceName); name != "" {
		return name
	}
	return join(":", vendor, device)
}

func sdrs(list []hardware.SDR) Section {
	s := Section{Title: "Software-defined radios", Columns: []string{"Radio", "Serial", "Bus", "Address"}}
	for _, r := range list {
		s.row(join(", ", r.Kind, when(r.Product != r.Kind, r.Product)), r.Serial, r.Bus, join(" by ", r.Address, r.NIC))
	}
	return s
}

func gpus(list []hardware.GPU) Section {
	s := Section{Title: "Graphics", Columns: []string{"Address", "Model", "Memory", "Driver"}}
	for _, g := range list {
		s.row(g.ID, model(g.VendorName, g.DeviceName, g.Vendor, g.Device), size(g.Memory), g.Driver)
	}
	return s
}

func burnin(b *hardware.Burnin) Section {
	s := Section{Title: "Burn-in", Columns: []string{"Test", "Result", "Done", "Took"}}
	if b == nil {
		return s
	}
	for _, t := range b.Tests {
		result, done, took := "passed", "", ""
		if !t.Passed {
			result = join(": ", "failed", t.Error)
		}
		if r := t.Readings; r != nil {
			done, took = join(", ", size(r.Bytes), with("", when(r.Rate > 0, size(int64(r.Rate))+"/s"))), decimal(r.Took)+" s"
		}
		s.row(t.ID, result, done, took)
	}
	return s
}

func pci(list []hardware.PCI) Section {
	s := Section{Title: "PCI", Folded: true, Columns: []string{"Address", "Device", "Class", "Driver"}}
	for _, p := range list {
		s.row(p.ID, join(" ", model(p.VendorName, p.DeviceName, "", ""), "["+p.Vendor+":"+p.Device+"]"), join("", p.ClassName, when(p.ClassName == "", p.Class)), driver(p.Driver, p.Module))
	}
	return s
}

// driver is what drives a device, or could.
func driver(name, module string) string {
	if name != "" {
		return name
	}
	return join(", ", "none", with("could be ", module))
}

func usb(list []hardware.USB) Section {
	s := Section{Title: "USB", Folded: true, Columns: []string{"Port", "Device", "Serial", "Drivers"}}
	for _, u := range list {
		var drivers []string
		for _, f := range u.Interfaces {
			drivers = append(drivers, driver(f.Driver, f.Module))
		}
		name := model(u.VendorName, u.DeviceName, "", "")
		if own := join(" ", u.Maker, u.Product); own != "" {
			name = own
		}
		s.row(u.ID, join(" ", name, "["+u.Vendor+":"+u.Device+"]"), u.Serial, strings.Join(drivers, "; "))
	}
	return s
}

func ports(d hardware.Document) Section {
	s := Section{Title: "Serial ports and watchdogs", Folded: true, Columns: []string{"Name", "Kind", "Address", "Driver"}}
	for _, p := range d.SerialPorts {
		s.row(join(" ", p.Name, when(p.Console, "(console)")), p.Type, p.Address, p.Driver)
	}
	for _, w := range d.Watchdogs {
		s.row(w.Name, join(" ", "watchdog", w.Identity), "", w.Driver)
	}
	return s
}

func sensors(list []hardware.Sensor) Section {
	s := Section{Title: "Sensors", Folded: true, Columns: []string{"Sensor", "Value", "Critical"}}
	for _, one := range list {
		value, critical := "", ""
		if one.Readings != nil {
			value = join(" ", decimal(one.Readings.Value), unit(one.Kind), when(one.Readings.Alarm, "(alarm)"))
		}
		if one.Crit != nil {
			critical = decimal(*one.Crit)
		}
		s.row(join(" ", one.Name, "("+one.ID+")"), value, critical)
	}
	return s
}

func unit(kind string) string {
	return map[string]string{"temperature": "°C", "fan": "/min", "voltage": "V", "current": "A", "power": "W"}[kind]
}
