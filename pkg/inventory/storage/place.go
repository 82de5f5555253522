package storage

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// place is where a disk is attached: the devices on the way to it.
type place struct {
	h    sysfs.Host
	name string
	sys  string   // of the disk
	dirs []string // names of the devices, from /sys/devices to the disk
}

func newPlace(h sysfs.Host, b blockdev.Disk) place {
	sys := b.SysPath
	if strings.Contains(sys, "/nvme-subsystem/") {
		// The several ways to a namespace meet in a device without a parent.
		// Its first controller has the same number.
		number, _, _ := strings.Cut(strings.TrimPrefix(b.Name, "nvme"), "n")
		if real := h.Real("/sys/class/nvme/nvme" + number); real != "" {
			sys = real + "/" + b.Name
		}
	}
	return place{h, b.Name, b.SysPath, split(sys)}
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// dir is the path of the i'th device.
func (p place) dir(i int) string { return "/" + strings.Join(p.dirs[:i+1], "/") }

// at finds the last device whose name begins so and goes on with a digit.
func (p place) at(prefix string) int {
	for i := len(p.dirs) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(p.dirs[i], prefix); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return i
		}
	}
	return -1
}

// controller is the PCI function the disk hangs on, and the driver that carries
// its data: nvme, ahci, mpt3sas, virtio_blk, usb-storage.
func (p place) controller() (address, driver string) {
	for i := len(p.dirs) - 1; i > 1; i-- {
		if d := p.h.Base(p.dir(i) + "/driver"); driver == "" && d != "sd" && d != "mmcblk" {
			driver = d
		}
		if isPCI(p.dirs[i]) {
			return p.dirs[i], driver
		}
	}
	return "", driver
}

// link is the speed of the cable or lanes to the disk.
func (p place) link() string {
	switch i := len(p.dirs) - 1; {
	case strings.HasPrefix(p.name, "nvme"):
		for i > 0 && !isPCI(p.dirs[i]) {
			i--
		}
		speed, width := p.h.Text(p.dir(i)+"/current_link_speed"), p.h.Text(p.dir(i)+"/current_link_width")
		number, unit, _ := strings.Cut(strings.TrimSuffix(speed, " PCIe"), " ")
		if unit != "GT/s" || width == "" || width == "0" {
			return ""
		}
		if !strings.Contains(number, ".") {
			number += ".0" // before Linux 5.7
		}
		return number + " " + unit + " x" + width
	case p.at("ata") >= 0:
		port := p.at("ata")
		link := "link" + p.dirs[port][len("ata"):]
		if n, ok := p.scsi(); ok && n[1] != 0 {
			link += "." + strconv.Itoa(n[1]) // behind a port multiplier
		}
		return speed(p.h.Text(p.dir(port) + "/" + link + "/ata_link/" + link + "/sata_spd"))
	case p.at("end_device-") > 0:
		port := p.dir(p.at("end_device-") - 1)
		names, _ := p.h.List(port)
		for _, phy := range names {
			if strings.HasPrefix(phy, "phy-") {
				return speed(p.h.Text(port + "/" + phy + "/sas_phy/" + phy + "/negotiated_linkrate"))
			}
		}
	case p.usb() >= 0:
		mbps, _ := p.h.Int(p.dir(p.usb()) + "/speed")
		switch {
		case mbps >= 1000:
			return strconv.FormatFloat(float64(mbps)/1000, 'f', 1, 64) + " Gbps"
		case mbps > 0:
			return strconv.FormatInt(mbps, 10) + " Mbps"
		}
	}
	return ""
}

// speed spells "6.0 Gbps" and "12.0 Gbit" alike; "<unknown>" and the words for
// a link that is down are none.
func speed(s string) string {
	number, unit, _ := strings.Cut(s, " ")
	if unit != "Gbps" && unit != "Gbit" {
		return ""
	}
	return number + " Gbps"
}

// usb finds the USB device, not its interface.
func (p place) usb() int {
	for i := len(p.dirs) - 1; i > 0; i-- {
		if isUSB(p.dirs[i]) && !strings.Contains(p.dirs[i], ":") {
			return i
		}
	}
	return -1
}

// scsi is the disk's address: host, channel, target, LUN.
func (p place) scsi() (n [4]int, ok bool) {
	if i := p.scsiAt(); i >= 0 {
		return address(p.dirs[i])
	}
	return n, false
}

func (p place) scsiAt() int {
	for i := len(p.dirs) - 1; i > 0; i-- {
		if _, ok := address(p.dirs[i]); ok {
			return i
		}
	}
	return -1
}

// address reads "0:0:1:0".
func address(s string) (n [4]int, ok bool) {
	words := strings.Split(s, ":")
	if len(words) != 4 {
		return n, false
	}
	for i, w := range words {
		v, err := strconv.ParseUint(w, 10, 31)
		if err != nil {
			return n, false
		}
		n[i] = int(v)
	}
	return n, true
}

// isPCI tells the name of a PCI function, "0000:00:1f.2". Domains behind a
// volume management device have five digits.
func isPCI(s string) bool {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '.' })
	if len(words) != 4 || strings.Count(s, ":") != 2 || len(words[0]) < 4 || len(words[1]) != 2 || len(words[2]) != 2 || len(words[3]) != 1 {
		return false
	}
	for _, w := range words {
		if _, err := strconv.ParseUint(w, 16, 32); err != nil {
			return false
		}
	}
	return true
}

// isUSB tells the name of a USB device or interface, "1-2.1" or "1-2.1:1.0",
// and of a root hub, "usb1".
func isUSB(s string) bool {
	if rest, ok := strings.CutPrefix(s, "usb"); ok {
		s = rest + "-0"
	}
	bus, port, ok := strings.Cut(s, "-")
	_, err := strconv.ParseUint(bus, 10, 16)
	return ok && err == nil && port != "" && strings.Trim(port, "0123456789.:") == ""
}

// partitions are those that the kernel knows.
func (p place) partitions() []hardware.Partition {
	names, _ := p.h.List(p.sys)
	var list []hardware.Partition
	for _, name := range names {
		dir := p.sys + "/" + name + "/"
		if !strings.HasPrefix(name, p.name) || !p.h.Has(dir+"partition") {
			continue
		}
		start, _ := p.h.Int(dir + "start")
		size, _ := p.h.Int(dir + "size")
		list = append(list, hardware.Partition{ID: p.h.Text(dir + "partition"), Name: name, Start: start * 512, Size: size * 512})
	}
	return list
}
