package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func (p *printer) disks(list []hardware.Disk) {
	if len(list) == 0 {
		return
	}
	var sum int64
	var rows [][]string
	for _, d := range list {
		sum += d.Size
		rows = append(rows, []string{d.Name, size(d.Size), bus(d), words(d.Vendor, d.Model), d.Serial, health(d.Readings), trouble(d.Readings), holds(d), state(d), d.Firmware, d.WWN, sectors(d), d.Link, d.Path})
	}
	p.section("Disks", count(len(list), "disk"), size(sum))
	p.table("NAME >SIZE BUS ~MODEL SERIAL HEALTH TROUBLE HOLDS STATE FIRMWARE WWN SECTOR LINK PATH", rows)
}

func bus(d hardware.Disk) string {
	kind := when(d.Rotational, "hdd")
	if d.RPM > 0 {
		kind = strconv.Itoa(d.RPM) + "/min"
	}
	return words(d.Bus, kind)
}

func sectors(d hardware.Disk) string {
	if d.Physical != 0 && d.Physical != d.Sector {
		return strconv.Itoa(d.Sector) + "/" + strconv.Itoa(d.Physical)
	}
	return number(d.Sector)
}

// state is what is not as it usually is.
func state(d hardware.Disk) string {
	return words(when(d.Removable, "removable"), when(d.ReadOnly, "read-only"), when(d.SED != "none", named("SED", d.SED)), when(d.Security != "disabled", named("security", d.Security)))
}

func health(r *hardware.DiskReadings) string {
	if r == nil {
		return ""
	}
	verdict := ""
	if r.Healthy != nil {
		verdict = map[bool]string{true: "good", false: "FAILING"}[*r.Healthy]
	}
	warm, worn := "", ""
	if r.Temperature != nil {
		warm = strconv.Itoa(*r.Temperature) + " °C"
	}
	if r.Wear != nil {
		worn = strconv.Itoa(*r.Wear) + " % worn"
	}
	return words(verdict, warm, worn)
}

// trouble is what a disk warns of, and what it has lost.
func trouble(r *hardware.DiskReadings) string {
	if r == nil {
		return ""
	}
	list := slices.Clone(r.Warnings)
	for _, bad := range []struct {
		n    *int64
		what string
	}{{r.MediaErrors, "media errors"}, {r.Reallocated, "reallocated"}, {r.Pending, "pending"}, {r.Uncorrectable, "uncorrectable"}, {r.CRCErrors, "CRC errors"}} {
		if bad.n != nil && *bad.n > 0 {
			list = append(list, number64(*bad.n)+" "+bad.what)
		}
	}
	return strings.Join(list, ", ")
}

// holds sums up what is on a disk.
func holds(d hardware.Disk) string {
	if d.Filesystem != nil {
		return words(d.Filesystem.Type, d.Filesystem.Label)
	}
	var parts []string
	for _, part := range d.Partitions {
		what := "?"
		if f := part.Filesystem; f != nil {
			what = f.Type
		}
		parts = append(parts, part.ID+":"+what)
	}
	return words(d.Table, strings.Join(parts, " "))
}
