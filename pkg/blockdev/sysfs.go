package blockdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// List is the function List on m.
func (m Machine) List(ctx context.Context) ([]Disk, error) {
	names, err := os.ReadDir(m.path("/sys/block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w (is /sys mounted?)", err)
	}
	var disks []Disk
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list disks: %w", err)
		}
		real, err := filepath.EvalSymlinks(m.path("/sys/block/" + n.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // unplugged while we looked
		}
		if err != nil {
			return nil, fmt.Errorf("list disks: %w", err)
		}
		sys := strings.TrimPrefix(real, m.Root)
		if !isPhysical(n.Name(), sys) || m.word(sys+"/hidden") == "1" {
			continue
		}
		if d := m.disk(n.Name(), sys); d.Size > 0 {
			disks = append(disks, d)
		}
	}
	order.Sort(disks, func(a, b Disk) int { return comparePaths(a.SysPath, b.SysPath) })
	return disks, nil
}

// disk reads the directory of one disk. What is not there stays empty.
func (m Machine) disk(name, sys string) Disk {
	d := Disk{
		Name:       name,
		SysPath:    sys,
		Removable:  m.word(sys+"/removable") == "1",
		ReadOnly:   m.word(sys+"/ro") == "1",
		Rotational: m.word(sys+"/queue/rotational") == "1",
		Disk: api.Disk{
			Path:     "/dev/" + strings.ReplaceAll(name, "!", "/"), // cciss!c0d0
			Size:     m.number(sys+"/size") * 512,                  // in units of 512 whatever the sector
			Sector:   int(m.number(sys + "/queue/logical_block_size")),
			Physical: int(m.number(sys + "/queue/physical_block_size")),
		},
	}
	d.Bus = bus(name, sys)
	m.identify(&d)
	return d
}

// isPhysical tells disks from everything else that has a block device.
func isPhysical(name, sys string) bool {
	switch {
	case strings.Contains(sys, "/nvme-subsystem/"): // multipath heads live under virtual
		return true
	case strings.Contains(sys, "/devices/virtual/"): // loop, ram, zram, dm, md, nbd, ...
		return false
	case hasNumber(name, "sr"), hasNumber(name, "fd"), hasNumber(name, "mtdblock"):
		return false
	case strings.HasPrefix(name, "mmcblk") && (strings.Contains(name, "boot") || strings.Contains(name, "rpmb")):
		return false // hardware partitions of an eMMC
	}
	return true
}

func hasNumber(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	_, err := strconv.Atoi(rest)
	return ok && err == nil
}

// bus names what the disk is attached by, from the devices on its path.
func bus(name, sys string) string {
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.Contains(sys, "/usb"):
		return "usb"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	case strings.Contains(sys, "/ata"):
		return "sata"
	case strings.HasPrefix(name, "sd"):
		return "scsi" // SAS, RAID controllers, virtio-scsi
	case strings.Contains(sys, "/virtio"):
		return "virtio"
	case strings.HasPrefix(name, "xvd"):
		return "xen"
	}
	return ""
}

// word is the trimmed content of a small file, "" if there is none.
func (m Machine) word(path string) string {
	b, err := os.ReadFile(m.path(path))
	if err != nil {
		return ""
	}
	return clean(string(b))
}

func (m Machine) number(path string) int64 {
	n, _ := strconv.ParseInt(m.word(path), 10, 64)
	return n
}

// clean drops padding and what must not reach a terminal, and squeezes runs of
// spaces, which fixed-width identity fields are full of.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }), " ")
}

// comparePaths orders sysfs paths by where the devices are. Numbers count by
// their value, so that host10 comes after host9, but PCI addresses, which are
// hexadecimal and of one width, as text.
func comparePaths(a, b string) int {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(x), len(y)) {
		compare := compareNatural
		if strings.Contains(x[i], ":") && len(x[i]) == len(y[i]) {
			compare = strings.Compare
		}
		if c := compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return len(x) - len(y)
}

// compareNatural orders strings with the numbers in them by value.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, restA := cutNumber(a)
		y, restB := cutNumber(b)
		if x != "" && y != "" {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := len(x) - len(y); c != 0 {
				return c
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			a, b = restA, restB
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func cutNumber(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}
