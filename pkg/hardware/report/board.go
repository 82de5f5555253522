package report

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// board shows what the machine is as a whole.
func (p *printer) board(d *hardware.Document) {
	if s := d.System; s != nil {
		p.section("System", words(s.Vendor, s.Product, s.Version), named("serial", s.Serial), named("SKU", s.SKU), named("family", s.Family), named("runs on", s.Virtual))
		p.more(named("UUID", s.UUID))
		if b := s.Board; b != nil {
			p.more(named("board", words(b.Vendor, b.Product, b.Version)), named("serial", b.Serial), named("asset", b.Asset))
		}
		if c := s.Chassis; c != nil {
			p.more(named("chassis", words(c.Vendor, c.Type, c.Version)), named("serial", c.Serial), named("asset", c.Asset), named("SKU", c.SKU))
		}
	}
	if f := d.Firmware; f != nil {
		p.section("Firmware", strings.ToUpper(f.Mode), words(f.Vendor, f.Version, f.Date), named("release", f.Release),
			onOff("Secure Boot", f.SecureBoot), onOff("setup mode", f.SetupMode), named("SMBIOS", f.SMBIOS))
	}
	if t := d.TPM; t != nil {
		p.section("TPM", words(t.Version, t.Vendor, t.Model), named("firmware", t.Firmware))
		p.more(named("endorsement certificate", t.EKCert))
	}
	if b := d.BMC; b != nil {
		p.section("BMC", words(b.Address, when(b.Source != "", "("+b.Source+")")), named("MAC", b.MAC), named("gateway", b.Gateway), named("VLAN", number(b.VLAN)),
			named("firmware", b.Firmware), named("IPMI", b.IPMI), named("by", b.Interface), named("vendor", number(b.Vendor)), named("product", number(b.Product)))
		p.more(named("GUID", b.GUID))
	}
}

func (p *printer) processors(d *hardware.Document) {
	if len(d.CPUs) > 0 {
		cores, threads, virtual := 0, 0, ""
		var rows [][]string
		for _, c := range d.CPUs {
			cores, threads = cores+c.Cores, threads+c.Threads
			if c.Virtual != "" {
				virtual = c.Virtual
			}
			model := Model(c.Model)
			if c.Empty {
				model = "empty"
			} else if model == "" {
				model = c.Vendor
			}
			rows = append(rows, []string{c.ID, model, number(c.Cores), number(c.Threads), number(c.MaxMHz), caches(c.Caches), c.Microcode, c.Serial, c.Part})
		}
		p.section("CPUs", count(len(d.CPUs), "socket"), when(cores > 0, count(cores, "core")), when(threads > 0, count(threads, "thread")), virtual)
		p.more(common(d.CPUs))
		p.table("SOCKET ~MODEL >CORES >THREADS >MHZ CACHES MICROCODE SERIAL PART", rows)
	}
	if len(d.NUMA) > 0 {
		var rows [][]string
		for _, n := range d.NUMA {
			var far []string
			for _, distance := range n.Distance {
				far = append(far, strconv.Itoa(distance))
			}
			there := int64(0)
			if n.Readings != nil {
				there = n.Readings.Memory
			}
			rows = append(rows, []string{n.ID, size(there), n.CPUs, strings.Join(far, " ")})
		}
		p.section("NUMA", count(len(d.NUMA), "node"))
		p.table("NODE >MEMORY ~CPUS DISTANCE", rows)
	}
}

// Model is a processor's brand string without what says nothing.
func Model(brand string) string {
	return strings.NewReplacer("(R)", "", "(TM)", "", "(r)", "", "(tm)", "", " CPU", "").Replace(brand)
}

// common are the flags of the first processor that is there: those of others are
// the same.
func common(list []hardware.CPU) string {
	for _, c := range list {
		if !c.Empty {
			return strings.Join(c.Flags, " ")
		}
	}
	return ""
}

func caches(list []hardware.Cache) string {
	var all []string
	for _, c := range list {
		if c.ID == "L2" || c.ID == "L3" || c.ID == "L4" {
			all = append(all, words(c.ID, when(c.Count > 1, strconv.Itoa(c.Count)+" x"), size(c.Size)))
		}
	}
	return strings.Join(all, ", ")
}

func (p *printer) memory(m *hardware.Memory) {
	if m == nil {
		return
	}
	slots := ""
	if m.Slots > 0 {
		slots = "in " + strconv.Itoa(len(m.Modules)) + " of " + count(m.Slots, "slot")
	}
	state := ""
	if r := m.Readings; r != nil && r.Corrected != nil && r.Uncorrected != nil {
		state = "errors: " + errors(hardware.ErrorCounts{Corrected: *r.Corrected, Uncorrected: *r.Uncorrected})
	}
	usable := int64(0)
	if m.Readings != nil {
		usable = m.Readings.Usable
	}
	p.section("Memory", words(size(m.Total), slots), named("ECC", m.ECC), state, named("Linux has", when(size(usable) != size(m.Total), size(usable))), named("the board takes", size(m.MaxSize)))
	var rows [][]string
	for _, d := range m.Modules {
		state := ""
		if d.Readings != nil {
			state = errors(*d.Readings)
		}
		speed := unit(d.Clocked, "MT/s")
		if d.Speed != d.Clocked && d.Speed > 0 {
			speed = words(number(d.Clocked), when(d.Clocked > 0, "of"), unit(d.Speed, "MT/s"))
		}
		kind := words(d.Type, when(d.Form != "DIMM", d.Form), when(d.ECC, "ECC"))
		rows = append(rows, []string{d.ID, size(d.Size), kind, speed, d.Vendor, d.Part, d.Serial, state, number(d.Ranks), d.Asset})
	}
	if m.Readings != nil {
		for _, u := range m.Readings.Unplaced {
			p.more("errors at "+u.ID, errors(u.ErrorCounts))
		}
	}
	p.table("SLOT >SIZE TYPE SPEED ~MAKER PART SERIAL ERRORS RANKS ASSET", rows)
}

// errors are those of memory, in words.
func errors(e hardware.ErrorCounts) string {
	if e.Corrected == 0 && e.Uncorrected == 0 {
		return "none"
	}
	return strconv.FormatInt(e.Corrected, 10) + " corrected and " + strconv.FormatInt(e.Uncorrected, 10) + " uncorrected"
}
