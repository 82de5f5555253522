package inventory

import (
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// settle puts what depends on the order of events in order, drops what a
// collector found beside what was asked for, and names the machine.
func settle(d *hardware.Document, only []string) {
	slices.SortFunc(d.Errors, func(a, b hardware.Problem) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Readings.Collectors, func(a, b hardware.CollectTime) int { return strings.Compare(a.ID, b.ID) })
	d.ID = identity(d)
	if only == nil {
		return
	}
	all := *d
	*d = hardware.Document{Schema: all.Schema, ID: all.ID, Only: all.Only, Errors: all.Errors, Readings: all.Readings}
	for _, name := range only {
		keep(d, &all, name)
	}
}

// keep copies one section.
func keep(d, all *hardware.Document, section string) {
	switch section {
	case "system":
		d.System = all.System
	case "firmware":
		d.Firmware = all.Firmware
	case "tpm":
		d.TPM = all.TPM
	case "bmc":
		d.BMC = all.BMC
	case "cpus":
		d.CPUs = all.CPUs
	case "numa":
		d.NUMA = all.NUMA
	case "memory":
		d.Memory = all.Memory
	case "disks":
		d.Disks = all.Disks
	case "nics":
		d.NICs = all.NICs
	case "wireless":
		d.Wireless = all.Wireless
	case "pci":
		d.PCI = all.PCI
	case "usb":
		d.USB = all.USB
	case "gpus":
		d.GPUs = all.GPUs
	case "sdrs":
		d.SDRs = all.SDRs
	case "serial_ports":
		d.SerialPorts = all.SerialPorts
	case "watchdogs":
		d.Watchdogs = all.Watchdogs
	case "sensors":
		d.Sensors = all.Sensors
	case "burnin":
		d.Burnin = all.Burnin
	}
}

// identity is the machine's name that lasts.
func identity(d *hardware.Document) string {
	if s := d.System; s != nil && s.UUID != "" {
		return s.UUID
	}
	if s := d.System; s != nil && s.Serial != "" {
		return s.Serial
	}
	for _, n := range d.NICs {
		if n.MAC != "" {
			return n.MAC
		}
	}
	return ""
}
