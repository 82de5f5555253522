package inventory

import (
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/board"
	"github.com/orbit-pxe/orbit/pkg/inventory/burnin"
	"github.com/orbit-pxe/orbit/pkg/inventory/device"
	"github.com/orbit-pxe/orbit/pkg/inventory/manage"
	"github.com/orbit-pxe/orbit/pkg/inventory/network"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Sections names what a document can have, in its order.
func Sections() []string {
	return []string{
		"system", "firmware", "tpm", "bmc", "cpus", "numa", "memory", "disks", "nics",
		"wireless", "pci", "usb", "gpus", "sdrs", "serial_ports", "watchdogs", "sensors", "burnin",
	}
}

// part is what a collector has found. It is put into the document by the one
// goroutine that owns that, so that a collector that was given up on can do no
// harm when it comes back.
type part func(*hardware.Document)

// collect learns about one section. With an error it may still have found
// something. (Written out, since a table of generic functions is four times the
// code.)
func collect(ctx context.Context, h sysfs.Host, section string, o Options) (part, error) {
	switch section {
	case "system":
		v, err := board.System(ctx, h)
		return func(d *hardware.Document) { d.System = v }, err
	case "firmware":
		v, err := manage.Firmware(ctx, h)
		return func(d *hardware.Document) { d.Firmware = v }, err
	case "tpm":
		v, err := manage.TPM(ctx, h)
		return func(d *hardware.Document) { d.TPM = v }, err
	case "bmc":
		v, err := manage.BMC(ctx, h)
		return func(d *hardware.Document) { d.BMC = v }, err
	case "cpus":
		v, err := board.CPUs(ctx, h)
		return func(d *hardware.Document) { d.CPUs = v }, err
	case "numa":
		v, err := board.NUMA(ctx, h)
		return func(d *hardware.Document) { d.NUMA = v }, err
	case "memory":
		v, err := board.Memory(ctx, h)
		return func(d *hardware.Document) { d.Memory = v }, err
	case "disks":
		v, err := storage.Disks(ctx, h)
		return func(d *hardware.Document) { d.Disks = v }, err
	case "nics":
		v, err := network.Options{LLDP: o.LLDP, Announce: o.Announce}.NICs(ctx, h)
		return func(d *hardware.Document) { d.NICs = v }, err
	case "wireless":
		v, err := network.Wireless(ctx, h)
		return func(d *hardware.Document) { d.Wireless = v }, err
	case "pci":
		v, err := device.PCI(ctx, h)
		return func(d *hardware.Document) { d.PCI = v }, err
	case "usb":
		v, err := device.USB(ctx, h)
		return func(d *hardware.Document) { d.USB = v }, err
	case "gpus":
		v, err := device.GPUs(ctx, h)
		return func(d *hardware.Document) { d.GPUs = v }, err
	case "sdrs":
		v, err := device.SDRs(ctx, h)
		return func(d *hardware.Document) { d.SDRs = v }, err
	case "serial_ports":
		v, err := device.SerialPorts(ctx, h)
		return func(d *hardware.Document) { d.SerialPorts = v }, err
	case "watchdogs":
		v, err := device.Watchdogs(ctx, h)
		return func(d *hardware.Document) { d.Watchdogs = v }, err
	case "sensors":
		v, err := device.Sensors(ctx, h)
		return func(d *hardware.Document) { d.Sensors = v }, err
	case "burnin":
		v, err := burnin.Last(ctx, h)
		return func(d *hardware.Document) { d.Burnin = v }, err
	}
	return nil, fmt.Errorf("no section %q", section)
}
