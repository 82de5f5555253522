package board

import (
	"context"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// System tells who made the machine. A machine without SMBIOS is named by its
// device tree; nil if it has neither. The error may tell of faults in the SMBIOS
// table that leave most of it sound.
func System(_ context.Context, h sysfs.Host) (*hardware.System, error) {
	t, err := smbios.Read(h)
	if err == nil {
		err = t.Err()
	}
	s := hardware.System{
		Vendor: t.System.Vendor, Product: t.System.Product, Version: t.System.Version, Serial: t.System.Serial,
		UUID: t.System.UUID, SKU: t.System.SKU, Family: t.System.Family,
		Virtual: hypervisor(h, t),
	}
	if b := hardware.Board(t.Board); b != (hardware.Board{}) {
		s.Board = &b
	}
	c := t.Chassis
	if chassis := (hardware.Chassis{Vendor: c.Vendor, Type: c.Type, Version: c.Version, Serial: c.Serial, Asset: c.Asset, SKU: c.SKU}); chassis != (hardware.Chassis{}) {
		s.Chassis = &chassis
	}
	const tree = "/sys/firmware/devicetree/base/"
	if s.Product == "" {
		s.Product = smbios.Clean(h.Text(tree + "model"))
	}
	if s.Serial == "" {
		s.Serial = smbios.Clean(h.Text(tree + "serial-number"))
	}
	if s == (hardware.System{}) {
		return nil, err
	}
	return &s, err
}
