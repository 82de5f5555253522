package device

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// quantity is a kind of channel of Documentation/hwmon/sysfs-interface.
type quantity struct {
	prefix, kind string
	scale        float64 // how many of the kernel's units are one of ours
}

func quantities() []quantity {
	return []quantity{
		{"temp", "temperature", 1000}, {"fan", "fan", 1}, {"in", "voltage", 1000}, {"curr", "current", 1000}, {"power", "power", 1e6},
	}
}

// channel is one sensor of a chip: files that begin with temp1_.
type channel struct {
	key    string // temp1
	input  string // the file with the value
	alarms []string
	quantity
}

// monitors lists the chips of the hwmon class.
func monitors(h sysfs.Host) (chips []chip, err error) {
	const class = "/sys/class/hwmon/"
	names, err := h.List(class)
	if err != nil {
		return nil, fmt.Errorf("list sensors: %w", err)
	}
	for _, name := range names {
		dir := class + name + "/"
		if strings.Contains(h.Real(dir), "/thermal_zone") {
			continue // the thermal class tells more
		}
		path := h.Real(dir + "device")
		files, _ := h.List(dir)
		all := channels(files)
		if len(all) == 0 && path != "" { // where drivers of old have them
			dir += "device/"
			files, _ = h.List(dir)
			all = channels(files)
		}
		if len(all) > 0 {
			id := words(h.Text(class + name + "/name"))
			if id == "" {
				id = words(h.Text(dir + "name"))
			}
			chips = append(chips, monitor(h, id, dir, path, all))
		}
	}
	return chips, nil
}

// monitor is a chip of that name with its files in dir, attached at a path.
func monitor(h sysfs.Host, id, dir, path string, all []channel) chip {
	c := chip{sensors: make([]hardware.Sensor, len(all))}
	if id == "" {
		id = "unknown"
	}
	for i := range all {
		c.sensors[i] = hardware.Sensor{Chip: id, Kind: all[i].kind}
	}
	if path != "" {
		if where := place(h, path); where != "" {
			id += " " + where
		}
	}
	for i := range all {
		c.sensors[i].ID = id + " " + all[i].key
	}
	start := slices.Clone(c.sensors)
	c.facts = func(i int) hardware.Sensor {
		s, a := start[i], all[i]
		s.Name = words(h.Text(dir + a.key + "_label"))
		s.Max, s.Crit = limit(h, dir+a.key+"_max", a.quantity), limit(h, dir+a.key+"_crit", a.quantity)
		return s
	}
	c.value = func(i int) *hardware.SensorReadings {
		if start[i].Chip == "drivetemp" {
			return nil // it would ask a disk that may sleep: those that are awake tell it among the disks
		}
		n, ok := h.Int(dir + all[i].input)
		if !ok {
			return nil
		}
		r := hardware.SensorReadings{Value: float64(n) / all[i].scale}
		for _, name := range all[i].alarms {
			r.Alarm = r.Alarm || h.Text(dir+name) == "1"
		}
		return &r
	}
	return c
}

// channels finds the sensors among the names of a chip's files.
func channels(files []string) (found []channel) {
	for _, input := range files {
		key, suffix, _ := strings.Cut(input, "_")
		if suffix != "input" && (suffix != "average" || slices.Contains(files, key+"_input")) {
			continue
		}
		for _, q := range quantities() {
			if n, ok := strings.CutPrefix(key, q.prefix); ok && number(n) {
				found = append(found, channel{key: key, input: input, quantity: q})
			}
		}
	}
	for i := range found {
		for _, name := range files {
			if rest, ok := strings.CutPrefix(name, found[i].key+"_"); ok && (strings.HasSuffix(rest, "alarm") || rest == "fault") {
				found[i].alarms = append(found[i].alarms, name)
			}
		}
	}
	return found
}

// limit is a limit that somebody has set. Drivers show 0 for none, and for
// temperatures the most and the least of a number in their chip.
func limit(h sysfs.Host, path string, q quantity) *float64 {
	n, ok := h.Int(path)
	if !ok || n == 0 {
		return nil
	}
	value := float64(n) / q.scale
	if q.kind == "temperature" && (value <= -200 || value >= 1000) {
		return nil
	}
	return &value
}
