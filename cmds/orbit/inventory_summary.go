//go:build !node

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/report"
	"github.com/orbit-pxe/orbit/pkg/head/client"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// summary prints a line for each machine.
func (s *stocktaking) summary(list []client.Machine, now time.Time) error {
	var rows [][]string
	for _, m := range list {
		d, state := &hardware.Document{}, "no inventory has come yet"
		if m.Version > 0 {
			var err error
			if d, err = typed(m.Document); err != nil { // the others can be read all the same
				d, m.Warnings = &hardware.Document{}, append(m.Warnings, inventories.Warning{Section: "inventory", Text: err.Error()})
			}
			state = attention(m.Held, m.Warnings)
		}
		seen := ""
		if !m.Seen.IsZero() {
			seen = units.Duration(now.Sub(m.Seen)) + " ago"
		}
		rows = append(rows, append([]string{m.Node, m.Name}, append(cells(d, m.Node, seen), state)...))
	}
	return report.Table(s.stdout, "NODE NAME ?~MACHINE ?>MEMORY ?~DISKS ?SEEN ?SERIAL ?~CPUS ?NICS ?OTHER ?SWITCH STATE", rows, screen(s.stdout))
}

// cells sum a machine up.
func cells(d *hardware.Document, node, seen string) []string {
	machine, serial, memory := "", "", ""
	if s := d.System; s != nil {
		machine, serial = strings.TrimSpace(s.Vendor+" "+s.Product), s.Serial
	}
	if d.Memory != nil && d.Memory.Total > 0 {
		memory = units.Bytes(d.Memory.Total)
	}
	var cpus, disks, nics, other []string
	for _, c := range d.CPUs {
		if !c.Empty {
			cpus = append(cpus, report.Model(c.Model))
		}
	}
	for _, disk := range d.Disks {
		disks = append(disks, units.Bytes(disk.Size)+" "+disk.Bus)
	}
	at := ""
	for _, n := range d.NICs {
		nics = append(nics, n.Driver)
		if x := n.Neighbour; x != nil && (n.MAC == node || n.Current == node || n.PXE) {
			at = strings.TrimSpace(x.Switch + " " + x.Port)
		}
	}
	for _, g := range d.GPUs {
		if !g.Boot {
			other = append(other, "GPU "+g.DeviceName)
		}
	}
	for _, r := range d.SDRs {
		other = append(other, r.Kind)
	}
	return []string{machine, memory, times(disks), seen, serial, times(cpus), times(nics), times(other), at}
}

// times counts those that are the same: "2 x 1.8 TiB nvme, 466 GiB sata".
func times(list []string) string {
	var words []string
	seen := map[string]int{}
	for _, word := range list {
		seen[word]++
	}
	for i, word := range list {
		if word == "" || slices.Contains(list[:i], word) {
			continue
		}
		if n := seen[word]; n > 1 {
			word = fmt.Sprintf("%d x %s", n, word)
		}
		words = append(words, strings.TrimSpace(word))
	}
	return strings.Join(words, ", ")
}
