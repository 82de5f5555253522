package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// devices shows what sits on the buses, and what else there is.
func (p *printer) devices(d *hardware.Document) {
	p.gpus(d.GPUs)
	p.sdrs(d.SDRs)
	p.pci(d.PCI, slices.Contains(d.Only, "pci"))
	p.usb(d.USB)
	p.serialPorts(d.SerialPorts)
	p.watchdogs(d.Watchdogs)
	p.sensors(d.Sensors, slices.Contains(d.Only, "sensors"))
}

func ids(vendor, device string) string {
	if vendor == "" && device == "" {
		return ""
	}
	return vendor + ":" + device
}

// driver is what drives a device, or would.
func driver(name, module string) string {
	switch {
	case name != "":
		return name
	case module != "":
		return "none (" + module + " would)"
	}
	return "none"
}

// title is a device by the names that the head knows.
func title(vendor, device string) string { return words(vendor, device) }

func (p *printer) gpus(list []hardware.GPU) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, g := range list {
		rows = append(rows, []string{g.ID, ids(g.Vendor, g.Device), driver(g.Driver, ""), title(g.VendorName, g.DeviceName), size(g.Memory), when(g.Boot, "boot display")})
	}
	p.section("GPUs", count(len(list), "card"))
	p.table("ADDRESS IDS DRIVER ~NAME >MEMORY USE", rows)
}

func (p *printer) sdrs(list []hardware.SDR) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, s := range list {
		rows = append(rows, []string{s.Kind, s.Serial, words(s.Bus, s.Address), ids(s.Vendor, s.Device), s.Product, s.NIC})
	}
	p.section("SDRs", count(len(list), "radio"))
	p.table("KIND SERIAL AT IDS ~NAME BY", rows)
}

// isIdle tells of functions that need no driver: bridges and their like (PCI Code
// and ID Assignment Specification: classes 05, 06, 08 and 11).
func isIdle(class string) bool {
	return len(class) >= 2 && slices.Contains([]string{"05", "06", "08", "11"}, class[:2])
}

func (p *printer) pci(list []hardware.PCI, all bool) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, f := range list {
		if all || f.Driver == "" && !isIdle(f.Class) {
			running := ""
			if f.Readings != nil && f.Readings.Link != f.Link {
				running = f.Readings.Link
			}
			rows = append(rows, []string{f.ID, f.Class, ids(f.Vendor, f.Device), driver(f.Driver, f.Module), title(f.VendorName, f.DeviceName), f.ClassName, f.Slot, f.Link, running})
		}
	}
	summary := count(len(list), "function")
	if !all {
		summary += ", " + strconv.Itoa(len(rows)) + " of them without a driver"
	}
	p.section("PCI", summary)
	p.table("ADDRESS CLASS IDS DRIVER ~NAME ~KIND SLOT LINK NOW", rows)
}

func (p *printer) usb(list []hardware.USB) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, u := range list {
		name := words(u.Maker, u.Product)
		if name == "" {
			name = title(u.VendorName, u.DeviceName)
		}
		var drivers []string
		for _, i := range u.Interfaces {
			if d := driver(i.Driver, i.Module); !slices.Contains(drivers, d) {
				drivers = append(drivers, d)
			}
		}
		rows = append(rows, []string{u.ID, ids(u.Vendor, u.Device), name, strings.Join(drivers, " "), u.Serial, words(u.Speed, when(u.Speed != "", "Mbit/s"))})
	}
	p.section("USB", count(len(list), "device"))
	p.table("PORT IDS ~NAME DRIVER SERIAL SPEED", rows)
}

func (p *printer) serialPorts(list []hardware.SerialPort) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Type, s.Address, number(s.IRQ), s.Driver, when(s.Console, "console")})
	}
	p.section("Serial", count(len(list), "port"))
	p.table("NAME TYPE ADDRESS IRQ DRIVER USE", rows)
}

func (p *printer) watchdogs(list []hardware.Watchdog) {
	for i, w := range list {
		now := ""
		if r := w.Readings; r != nil {
			now = words(when(r.Active, "running"), unit(r.Timeout, "s"), when(r.Caused, "(it caused the last reset)"))
		}
		phrases := []string{w.Name, w.Identity, named("driver", w.Driver), when(w.NoWayOut, "cannot be stopped"), now}
		if i == 0 {
			p.section("Watchdog", phrases...)
		} else {
			p.more(phrases...)
		}
	}
}

// measure is a value with its unit.
func measure(kind string, value float64) string {
	of := map[string]string{"temperature": " °C", "fan": "/min", "voltage": " V", "current": " A", "power": " W"}[kind]
	return decimal(value) + of
}

func (p *printer) sensors(list []hardware.Sensor, all bool) {
	if len(list) == 0 {
		return
	}
	var rows [][]string
	hottest, alarms, where := 0.0, 0, ""
	for _, s := range list {
		r := s.Readings
		if r == nil {
			r = &hardware.SensorReadings{}
		}
		if s.Kind == "temperature" && r.Value > hottest {
			hottest, where = r.Value, words(s.Chip, s.Name)
		}
		if r.Alarm {
			alarms++
		}
		if all || r.Alarm {
			rows = append(rows, []string{s.ID, s.Name, when(s.Readings != nil, measure(s.Kind, r.Value)), limit(s.Kind, s.Max), limit(s.Kind, s.Crit), when(r.Alarm, "ALARM")})
		}
	}
	p.section("Sensors", count(len(list), "sensor"), when(where != "", "hottest "+measure("temperature", hottest)+" ("+where+")"), when(alarms > 0, count(alarms, "alarm")))
	p.table("SENSOR ~NAME >VALUE >MAX >CRITICAL STATE", rows)
}

func limit(kind string, value *float64) string {
	if value == nil {
		return ""
	}
	return measure(kind, *value)
}

func (p *printer) burnin(b *hardware.Burnin) {
	if b == nil {
		return
	}
	verdict := map[bool]string{true: "passed", false: "FAILED"}
	ended := ""
	if r := b.Readings; r != nil {
		ended = r.Time.UTC().Format(time.DateTime) + " UTC, " + seconds(r.Took)
	}
	p.section("Burn-in", verdict[b.Passed], ended)
	var rows [][]string
	for _, t := range b.Tests {
		took, rate, heat := "", "", ""
		if r := t.Readings; r != nil {
			took = seconds(r.Took)
			heat = words(unit(r.Hottest, "°C"), when(r.Throttled > 0, "throttled "+number64(r.Throttled)+" times"))
			if r.Rate > 0 {
				rate = units.Bytes(int64(r.Rate)) + "/s"
			}
		}
		rows = append(rows, []string{t.ID, verdict[t.Passed], took, rate, heat, when(t.Writes, "written"), t.Error})
	}
	p.table("TEST RESULT TOOK RATE HEAT DATA ERROR", rows)
}

func seconds(s float64) string { return units.Duration(time.Duration(s * float64(time.Second))) }

// problems tells what could not be learned, and of the document itself.
func (p *printer) problems(d *hardware.Document) {
	for i, e := range d.Errors {
		line := e.ID + ": " + strings.Join(strings.Fields(e.Error), " ")
		if i == 0 {
			p.section("Not known", line)
		} else {
			p.more(line)
		}
	}
	if r := d.Readings; r != nil {
		p.section("Taken", r.Time.UTC().Format(time.DateTime)+" UTC", "in "+seconds(r.Took), named("Linux", r.Kernel), named("Orbit", r.Version))
	}
}
