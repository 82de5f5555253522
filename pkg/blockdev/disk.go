package blockdev

import (
	"context"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Disk is a whole physical disk.
type Disk struct {
	api.Disk
	Name       string // sda
	SysPath    string // /sys/devices/..., which names the slot it is plugged into
	Removable  bool   // the medium, not the drive: card readers and most USB sticks
	ReadOnly   bool   // write-protected
	Rotational bool
}

// String is the disk in words:
// "/dev/sda (sata QEMU HARDDISK, serial QM00001, 20 GiB)".
func (d Disk) String() string {
	var words []string
	if what := strings.TrimSpace(d.Bus + " " + d.Model); what != "" {
		words = append(words, what)
	}
	switch {
	case d.Serial != "":
		words = append(words, "serial "+d.Serial)
	case d.WWN != "":
		words = append(words, "wwn "+d.WWN)
	}
	words = append(words, units.Bytes(d.Size))
	if d.Sector != 0 && d.Sector != 512 {
		words = append(words, units.Bytes(int64(d.Sector))+" sectors")
	}
	if d.Removable {
		words = append(words, "removable")
	}
	if d.ReadOnly {
		words = append(words, "read-only")
	}
	return d.Path + " (" + strings.Join(words, ", ") + ")"
}

// List gives the physical disks of this machine that have a medium, in an
// order that depends on where they are plugged in and not on which driver was
// first: by bus path. Loop, RAM, device mapper, md and network block devices,
// CD drives and floppies are left out.
func List(ctx context.Context) ([]Disk, error) { return Machine{}.List(ctx) }

// Machine reads disks and their uses from a tree of its own, which holds sys,
// proc and dev. The zero value is the running machine.
type Machine struct {
	Root string
}

func (m Machine) path(p string) string { return m.Root + p }
