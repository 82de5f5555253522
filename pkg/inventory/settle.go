package inventory

import (
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// settle puts what depends on the order of events in order, names the machine,
// and drops what only that was needed for.
func settle(h sysfs.Host, d *hardware.Document) {
	order.Sort(d.Errors, func(a, b hardware.Problem) int { return strings.Compare(a.ID, b.ID) })
	order.Sort(d.Readings.Collectors, func(a, b hardware.CollectTime) int { return strings.Compare(a.ID, b.ID) })
	d.ID = identity(h, d.System)
	if d.Only != nil && !slices.Contains(d.Only, "system") {
		d.System = nil
	}
}

// identity is the machine's name that lasts.
func identity(h sysfs.Host, s *hardware.System) string {
	if s != nil && s.UUID != "" {
		return s.UUID
	}
	if s != nil && s.Serial != "" {
		return s.Serial
	}
	if s == nil { // it took too long: that must not give the machine another name
		if id := smbios.CleanUUID(h.Text("/sys/class/dmi/id/product_uuid")); id != "" {
			return id
		}
	}
	if list, _ := macs(h); len(list) > 0 {
		return slices.Min(list)
	}
	return ""
}
