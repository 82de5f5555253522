package hardware

import (
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
)

// Policy says what counts as a change of a machine, and what follows.
type Policy struct {
	Hold   bool      // a node that changed gets no job until an operator accepts it
	Ignore []Pattern // no change at all
	Report []Pattern // a change that is told of, but for which no node is held
}

// DefaultIgnore are the fields that change without anything having been done to
// the machine: what imaging writes to disks, what depends on where a wireless
// device believes to be, what the BMC was given by DHCP, how the kernel was
// called.
func DefaultIgnore() []Pattern {
	return patterns("disks.partitions", "disks.table", "disks.table_id", "disks.filesystem",
		"bmc.address", "bmc.source", "bmc.gateway",
		"wireless.regulatory_domain", "wireless.bands.channels",
		"serial_ports.console")
}

// DefaultReport are the fields for which nobody wants to get up at night: what
// kernels and microcode packages change, what is plugged in outside or stands
// elsewhere in the network, which cable it is and where that goes; and BMCs, of
// which a few do not answer in time at each power-on.
func DefaultReport() []Pattern {
	return patterns("*.driver", "pci.module", "usb", "bmc", "sdrs", "sensors", "watchdogs", "serial_ports", "gpus.memory",
		"cpus.microcode", "cpus.max_mhz", "wireless.firmware", "nics.neighbour", "nics.media", "nics.max_speed", "disks.security", "disks.link", "burnin")
}

func patterns(sources ...string) (list []Pattern) {
	for _, source := range sources {
		list = append(list, Pattern{source, split(source)})
	}
	return list
}

// changes are the differences that are some.
func (p Policy) changes(old, new map[string]any) diff.Result {
	r := diff.Compare(old, new)
	r.Changes = slices.DeleteFunc(r.Changes, func(c diff.Change) bool { return matches(p.Ignore, c.Path) })
	r.Unknown = slices.DeleteFunc(r.Unknown, func(u diff.Unknown) bool { return matches(p.Ignore, u.Section) })
	return r
}

// serious are the changes for which a node is held.
func (p Policy) serious(old, new map[string]any) diff.Result {
	r := p.changes(old, new)
	updated := text(old, "readings.version") != text(new, "readings.version") || text(old, "readings.kernel") != text(new, "readings.kernel")
	r.Changes = slices.DeleteFunc(r.Changes, func(c diff.Change) bool {
		return matches(p.Report, c.Path) || isUSB(c) && matches(p.Report, "usb") ||
			updated && (isKnowledge(c) || !looked(old, c.Path) || isNewList(old, c) || isDriven(old, c))
	})
	failed := map[string]bool{}
	for _, problem := range objects(old["errors"]) {
		failed[text(problem, "id")] = true
	}
	r.Unknown = slices.DeleteFunc(r.Unknown, func(u diff.Unknown) bool {
		return matches(p.Report, u.Section) || failed[u.Section] // it was accepted like that
	})
	return r
}

// isKnowledge tells of differences that another version of Orbit or of the
// kernel makes by itself: it tells of more fields, or of fewer, or of more words
// in a list. Things that come or go are not among them.
func isKnowledge(c diff.Change) bool {
	switch c.Kind {
	case diff.Changed:
		return isList(c.Old) && isList(c.New)
	case diff.Added:
		return !isThing(c.Path) && c.New != true
	}
	return !isThing(c.Path) && c.Old != true
}

// isUSB tells of disks and interfaces that were plugged in or out by USB: they
// stand in a section of their kind too.
func isUSB(c diff.Change) bool {
	for _, v := range []any{c.Old, c.New} {
		if thing, ok := v.(map[string]any); ok && isThing(c.Path) && thing["bus"] == "usb" {
			return true
		}
	}
	return false
}

// isNewList tells of members of a list, in something that was there already,
// of which a document knows nothing: such lists are what newer versions tell of.
func isNewList(old map[string]any, c diff.Change) bool {
	steps := split(c.Path)
	if c.Kind != diff.Added || len(steps) < 3 || !steps[len(steps)-1].isID {
		return false
	}
	var v any = old
	for _, s := range steps[:len(steps)-1] {
		if s.isID {
			i := slices.IndexFunc(objects(v), func(o map[string]any) bool { return text(o, "id") == s.name })
			if i < 0 {
				return false
			}
			v = objects(v)[i]
			continue
		}
		object, _ := v.(map[string]any)
		v = object[s.name]
	}
	return v == nil
}

// isDriven tells of what was there already, but had no driver by which to see it.
func isDriven(old map[string]any, c diff.Change) bool {
	thing, _ := c.New.(map[string]any)
	if c.Kind != diff.Added || thing == nil {
		return false
	}
	address := text(thing, "address")
	return c.Path == "tpm" || address != "" && slices.ContainsFunc(objects(old["pci"]), func(o map[string]any) bool {
		return text(o, "id") == address && o["driver"] == nil
	})
}

// looked tells whether who made a document looked for a section at all.
func looked(document map[string]any, path string) bool {
	section := split(path)[0].name
	collectors := objects(at(document, "readings.collectors"))
	return document[section] != nil || len(collectors) == 0 || slices.ContainsFunc(collectors, func(c map[string]any) bool {
		return text(c, "id") == section
	})
}

func isList(v any) bool { _, ok := v.([]any); return ok }

// isThing tells of paths to members of lists, and to whole sections.
func isThing(path string) bool {
	return strings.HasSuffix(path, "]") || !strings.Contains(path, ".")
}

func matches(list []Pattern, path string) bool {
	return slices.ContainsFunc(list, func(p Pattern) bool { return p.Match(path) })
}
