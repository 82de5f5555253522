package storage

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// facts describes a disk by what sysfs knows of it.
func facts(h sysfs.Host, b blockdev.Disk) hardware.Disk {
	p := newPlace(h, b)
	d := hardware.Disk{
		Name: b.Name, Path: p.path(), Model: clean(b.Model), Serial: clean(b.Serial), WWN: wwn(h, b),
		Size: b.Size, Sector: b.Sector, Physical: b.Physical, Bus: b.Bus, Rotational: b.Rotational,
		Removable: b.Removable, ReadOnly: b.ReadOnly, Link: p.link(), Partitions: p.partitions(),
	}
	d.Address, d.Driver = p.controller()
	dev := b.SysPath + "/device/"
	switch {
	case strings.HasPrefix(b.Name, "sd"):
		d.Firmware = clean(h.Text(dev + "rev"))
		if vendor := clean(h.Text(dev + "vendor")); vendor != "ATA" {
			d.Vendor = vendor
			d.Model = clean(h.Text(dev + "model")) // and not both in one
			if b.Bus == "scsi" && p.at("end_device-") >= 0 {
				d.Bus = "sas"
			}
		} else if b.Bus == "scsi" {
			d.Bus = "sata" // on a SAS controller
		}
		page, _ := h.Bytes(dev + "vpd_pgb1")
		d.RPM = scsi.RPM(page)
		page, _ = h.Bytes(dev + "vpd_pg89")
		if id, err := ata.ParseIdentity(scsi.Identify(page)); err == nil {
			identify(&d, id)
		}
	case b.Bus == "nvme":
		d.Firmware = clean(h.Text(dev + "firmware_rev"))
	case b.Bus == "mmc":
		d.Firmware = version(h.Text(dev + "fwrev"))
		d.Readings = worn(h.Text(dev+"life_time"), h.Text(dev+"pre_eol_info"))
	}
	return d
}

// identify adds what an ATA disk says of itself.
func identify(d *hardware.Disk, id ata.Identity) {
	if s := clean(id.Firmware); s != "" {
		d.Firmware = s // SCSI has room for half of it
	}
	if id.RPM > 0 {
		d.RPM = id.RPM
	}
	d.Security = string(id.Security)
	switch {
	case id.Trusted, id.Encrypts:
		d.SED = "supported"
	default:
		d.SED = "none"
	}
}

// wwn is the disk's worldwide unique name as the kernel writes it.
func wwn(h sysfs.Host, b blockdev.Disk) string {
	for _, s := range []string{h.Text(b.SysPath + "/wwid"), h.Text(b.SysPath + "/device/wwid"), b.WWN} {
		kind, id, ok := strings.Cut(s, ".")
		switch {
		case !ok, strings.Trim(id, "0-") == "", strings.Trim(strings.ToLower(id), "f-") == "":
		case kind == "naa", kind == "eui", kind == "uuid", kind == "nvme":
			return s
		}
	}
	return ""
}

// clean blanks what stands for no value at all.
func clean(s string) string {
	s = smbios.Clean(s)
	if strings.Trim(s, "0 .-") == "" || strings.Trim(strings.ToLower(s), "fx0 ") == "" {
		return ""
	}
	return s
}

// version writes the firmware's number of an SD card or eMMC, which is "0x0"
// where there is none.
func version(s string) string {
	if strings.Trim(s, "0x") == "" {
		return ""
	}
	return clean(s)
}

// worn reads what eMMC 5 tells of its life (JESD84-B51, 7.4.24): tenths of it
// for two kinds of memory, and the state of its spare blocks.
func worn(life, end string) *hardware.DiskReadings {
	most := 0
	for _, word := range strings.Fields(life) {
		n, err := strconv.ParseUint(word, 0, 8)
		if err == nil && n <= 11 {
			most = max(most, int(n))
		}
	}
	state, err := strconv.ParseUint(end, 0, 8)
	if err != nil || state == 0 || state > 3 {
		if most == 0 {
			return nil
		}
		state = 0
	}
	r := &hardware.DiskReadings{}
	if most > 0 {
		wear := 10 * most // "0x01" is up to 10 %
		r.Wear = &wear
	}
	if state > 0 {
		healthy := state < 3
		r.Healthy = &healthy
	}
	switch state {
	case 2:
		r.Warnings = []string{"80 % of the spare blocks are used"}
	case 3:
		r.Warnings = []string{"90 % of the spare blocks are used"}
	}
	return r
}

// name gives every disk an id that the next boot will give it again.
func name(disks []hardware.Disk) {
	seen := map[string]int{}
	for i := range disks {
		d := &disks[i]
		switch kind, _, _ := strings.Cut(d.WWN, "."); {
		case d.WWN != "" && kind != "nvme": // which is model and serial number in hexadecimal digits
			d.ID = d.WWN
		case d.Serial != "":
			d.ID = strings.TrimSpace(d.Model + " " + d.Serial)
		default:
			d.ID = attached(*d)
		}
		seen[d.ID]++
	}
	for i := range disks {
		// Two ways to one disk, namespaces of one controller, or a bridge
		// that gives every disk the same name.
		if d := &disks[i]; seen[d.ID] > 1 {
			d.ID += " " + attached(*d)
		}
	}
}

// attached is where a disk is.
func attached(d hardware.Disk) string {
	if d.Path != "" {
		return d.Path
	}
	return d.Name
}
