// Package view puts inventories into the words and tables of web pages. What
// nodes say is text in it: whoever writes the page must escape it.
package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// join puts those together that are not empty.
func join(between string, list ...string) string {
	var some []string
	for _, s := range list {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, between)
}

// with is text in front of a value, nothing without one.
func with(text, value string) string {
	if value == "" {
		return ""
	}
	return text + value
}

func when(so bool, text string) string {
	if so {
		return text
	}
	return ""
}

func number[T int | int64](n T, unit string) string {
	return when(n != 0, strconv.FormatInt(int64(n), 10)+unit)
}

func known[T int | int64](n *T, unit string) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10) + unit
}

// size has a space in it that is no place for a new line.
func size(n int64) string { return when(n != 0, strings.ReplaceAll(units.Bytes(n), " ", "\u00a0")) }

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// speed is that of a link, Mbit/s.
func speed(n int) string {
	switch {
	case n <= 0:
		return ""
	case n%1000 == 0:
		return strconv.Itoa(n/1000) + "\u00a0Gbit/s"
	}
	return strconv.Itoa(n) + "\u00a0Mbit/s"
}

// Stamp is a time, "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// Ago is how long ago something was.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour") + " ago"
	}
	return count(int(d.Hours()/24), "day") + " ago"
}

// Changes are those of a version since the one before, in words, up to so many.
func Changes(v inventories.Version, most int) []string {
	list := inventories.Sentences(diff.Result{Changes: v.Changes, Unknown: v.Unknown}, most)
	if v.More > 0 && len(v.Changes)+len(v.Unknown) <= most {
		list = append(list, fmt.Sprintf("and %d more", v.More))
	}
	return list
}

// CPUs is "2 × Intel Xeon Gold 6230, 80 threads".
func CPUs(list []hardware.CPU) string {
	var order []string
	count, threads := map[string]int{}, 0
	for _, c := range list {
		if c.Empty {
			continue
		}
		if count[c.Model]++; count[c.Model] == 1 {
			order = append(order, c.Model)
		}
		threads += c.Threads
	}
	var models []string
	for _, m := range order {
		models = append(models, join(" ", when(count[m] > 1, strconv.Itoa(count[m])+" ×"), m))
	}
	return join(", ", join(" + ", models...), number(threads, " threads"))
}

// Memory is "64 GiB in 4 modules".
func Memory(m *hardware.Memory) string {
	if m == nil {
		return ""
	}
	return join(" in ", size(m.Total), when(len(m.Modules) > 0, count(len(m.Modules), "module")))
}

// neighbour is "sw1 ge-0/0/1".
func neighbour(n *hardware.Neighbour) string {
	if n == nil {
		return ""
	}
	at := n.Switch
	if at == "" {
		at = n.Chassis
	}
	return with("→ ", join(" ", at, n.Port)) + when(n.Readings != nil && n.Readings.Earlier, " (at an earlier boot)")
}

// Disk is "1.8 TiB SAMSUNG MZQLB1T9".
func Disk(d hardware.Disk) string { return join(" ", size(d.Size), d.Model) }

// NIC is "eno1 10 Gbit/s → sw1 ge-0/0/1".
func NIC(n hardware.NIC) string { return join(" ", n.Name, speed(n.MaxSpeed), neighbour(n.Neighbour)) }

// Machine is "Dell Inc. PowerEdge R640".
func Machine(s *hardware.System) string {
	if s == nil {
		return ""
	}
	return join(" ", s.Vendor, s.Product)
}

// Warnings are what is to be looked into, a line for each thing.
func Warnings(list []inventories.Warning) (lines []string) {
	var last inventories.Warning
	for _, w := range list {
		if n := len(lines); n > 0 && w.Section == last.Section && w.ID == last.ID {
			lines[n-1] += "; " + w.Text
		} else {
			lines = append(lines, w.String())
		}
		last = w
	}
	return lines
}
