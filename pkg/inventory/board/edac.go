package board

import (
	"context"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// edac adds the errors that the memory controllers have counted: to modules
// that can be told by EDAC's labels, and in sum. Drivers label modules by
// controller, channel and slot, which only some boards write on their slots too;
// ghes_edac has the names of SMBIOS.
func edac(ctx context.Context, h sysfs.Host, m *hardware.Memory) {
	const dir = "/sys/devices/system/edac/mc/"
	controllers, _ := h.List(dir)
	for _, mc := range controllers {
		if _, ok := numbered(mc, "mc"); !ok || ctx.Err() != nil {
			continue
		}
		corrected, ok1 := h.Int(dir + mc + "/ce_count")
		uncorrected, ok2 := h.Int(dir + mc + "/ue_count")
		if !ok1 || !ok2 {
			continue
		}
		if m.Readings == nil {
			m.Readings = &hardware.MemoryReadings{Corrected: new(int64), Uncorrected: new(int64)}
		}
		*m.Readings.Corrected += corrected
		*m.Readings.Uncorrected += uncorrected
		names, _ := h.List(dir + mc)
		for _, name := range names {
			_, dimm := numbered(name, "dimm")
			_, rank := numbered(name, "rank")
			if dimm || rank {
				place(h, dir+mc+"/"+name+"/", mc, m)
			}
		}
	}
}

// place adds the errors of one module, or of one rank of a module.
func place(h sysfs.Host, dir, mc string, m *hardware.Memory) {
	corrected, ok1 := h.Int(dir + "dimm_ce_count")
	uncorrected, ok2 := h.Int(dir + "dimm_ue_count")
	if !ok1 || !ok2 {
		return
	}
	label := h.Text(dir + "dimm_label")
	if d := labelled(m.Modules, label); d != nil {
		if d.Readings == nil {
			d.Readings = &hardware.ErrorCounts{}
		}
		d.Readings.Corrected += corrected
		d.Readings.Uncorrected += uncorrected
		return
	}
	if corrected == 0 && uncorrected == 0 {
		return
	}
	if label == "" {
		label = join(mc, h.Text(dir+"dimm_location"))
	}
	list := &m.Readings.Unplaced
	i := slices.IndexFunc(*list, func(p hardware.PlacedErrors) bool { return p.ID == label })
	if i < 0 {
		if i = len(*list); i == mostUnplaced {
			return
		}
		*list = append(*list, hardware.PlacedErrors{ID: label})
	}
	(*list)[i].Corrected += corrected
	(*list)[i].Uncorrected += uncorrected
}

// mostUnplaced bounds the list of places with errors that no module is known by.
const mostUnplaced = 256

// labelled is the one module that a label means, nil if that is not certain.
func labelled(modules []hardware.DIMM, label string) *hardware.DIMM {
	means := []func(*hardware.DIMM) bool{
		func(d *hardware.DIMM) bool { return same(label, join(d.Bank, d.Slot)) },
		func(d *hardware.DIMM) bool { return same(label, d.Slot) },
		func(d *hardware.DIMM) bool { return same(label, d.Bank) },
		func(d *hardware.DIMM) bool { // "CPU_SrcID#0_MC#0_Chan#1_DIMM#0" and "P0_Node0_Channel1_Dimm0"
			n := numbers(label)
			return len(n) >= 3 && (slices.Equal(n, numbers(d.Bank)) || slices.Equal(n, numbers(d.Slot)))
		},
	}
	for _, mean := range means {
		var one *hardware.DIMM
		many := 0
		for i := range modules {
			if mean(&modules[i]) {
				one = &modules[i]
				many++
			}
		}
		if many == 1 {
			return one
		}
	}
	return nil
}

// same compares letters and digits only.
func same(a, b string) bool {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			switch {
			case r >= '0' && r <= '9', r >= 'a' && r <= 'z':
				return r
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			}
			return -1
		}, s)
	}
	a = plain(a)
	return a != "" && a == plain(b)
}

// numbers are those in a text.
func numbers(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}
