package hardware

import (
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Warning is something about a machine that somebody should look into.
type Warning struct {
	Section string `json:"section"` // of the inventory
	ID      string `json:"id"`      // of the member; "" of all of it
	Text    string `json:"text"`
}

// String is the warning in one line.
func (w Warning) String() string {
	if w.ID == "" {
		return w.Section + ": " + w.Text
	}
	return w.Section + " " + w.ID + ": " + w.Text
}

// From when on what wears out is worth a look, in percent.
const (
	worn     = 90
	fewSpare = 10
)

// Warnings are what an inventory's readings and results say is not as it should
// be, by the order of its sections.
func Warnings(d hardware.Document) (list []Warning) {
	warn := func(section, id, format string, args ...any) {
		list = append(list, Warning{section, sentence(id), sentence(fmt.Sprintf(format, args...))})
	}
	memory(d.Memory, warn)
	for _, disk := range d.Disks {
		if disk.Readings != nil {
			health(disk, *disk.Readings, warn)
		}
	}
	for _, nic := range d.NICs {
		if r := nic.Readings; r != nil && r.Carrier && r.Speed > 0 && r.Speed < nic.MaxSpeed && nic.MaxSpeed <= 1000 {
			warn("nics", nic.ID, "runs at %d Mbit/s, could do %d: look at the cable", r.Speed, nic.MaxSpeed)
		}
	}
	for _, w := range d.Watchdogs {
		if w.Readings != nil && w.Readings.Caused {
			warn("watchdogs", w.ID, "it caused the last reset")
		}
	}
	for _, s := range d.Sensors {
		switch r := s.Readings; {
		case r == nil:
		case s.Crit != nil && s.Kind == "temperature" && r.Value >= *s.Crit:
			warn("sensors", s.ID, "%s of %g is critical (%g)", s.Kind, r.Value, *s.Crit)
		case r.Alarm:
			warn("sensors", s.ID, "%s alarm at %g", s.Kind, r.Value)
		}
	}
	if b := d.Burnin; b != nil && !b.Passed {
		for _, t := range b.Tests {
			if !t.Passed {
				warn("burnin", t.ID, "failed: %s", t.Error)
			}
		}
		if len(b.Tests) == 0 {
			warn("burnin", "", "failed")
		}
	}
	for _, p := range d.Errors {
		warn(p.ID, "", "could not be learned, or not wholly: %s", p.Error)
	}
	return list
}

type warner func(section, id, format string, args ...any)

func memory(m *hardware.Memory, warn warner) {
	if m == nil {
		return
	}
	told := false
	count := func(id string, corrected, uncorrected int64) {
		if corrected > 0 || uncorrected > 0 {
			warn("memory", id, "since boot %d errors corrected, %d not", corrected, uncorrected)
			told = true
		}
	}
	for _, module := range m.Modules {
		if r := module.Readings; r != nil {
			count(module.ID, r.Corrected, r.Uncorrected)
		}
	}
	if r := m.Readings; r != nil && !told {
		count("", value(r.Corrected), value(r.Uncorrected))
	}
}

func health(d hardware.Disk, r hardware.DiskReadings, warn warner) {
	if r.Healthy != nil && !*r.Healthy {
		warn("disks", d.ID, "it says that it is failing")
	}
	for _, w := range r.Warnings {
		warn("disks", d.ID, "%s", w)
	}
	if r.Wear != nil && *r.Wear >= worn {
		warn("disks", d.ID, "%d%% of its life is used", *r.Wear)
	}
	if r.Spare != nil && *r.Spare <= fewSpare && (*r.Spare > 0 || r.Healthy == nil || !*r.Healthy) { // virtual ones count none
		warn("disks", d.ID, "%d%% of its spare blocks are left", *r.Spare)
	}
	for _, c := range []struct {
		n    *int64
		what string
	}{
		{r.MediaErrors, "media errors"}, {r.Pending, "sectors that cannot be read"},
		{r.Uncorrectable, "uncorrectable sectors"}, {r.Reallocated, "sectors were replaced"},
	} {
		if value(c.n) > 0 {
			warn("disks", d.ID, "%d %s", *c.n, c.what)
		}
	}
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
