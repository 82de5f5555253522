package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// path spells where a disk is attached as udev does in /dev/disk/by-path
// (systemd's src/udev/udev-builtin-path_id.c), "" where udev has no path. Of two
// spellings it is the shorter: ata-1 rather than ata-1.0.
func (p place) path() string {
	var words []string // the nearest to the disk first
	parent, transport := false, false
	add := func(word string) { words = append(words, word) }
	if strings.HasPrefix(p.name, "nvme") {
		if nsid := p.h.Text(p.sys + "/nsid"); nsid != "" {
			add("nvme-" + nsid)
		} else if _, n, ok := strings.Cut(p.name[4:], "n"); ok {
			add("nvme-" + n) // before Linux 4.8
		}
		transport = true
	}
	last := "" // subsystem of the device nearer to the disk, of which udev takes one only
	for i := len(p.dirs) - 1; i > 1; i-- {
		name, subsystem := p.dirs[i], p.subsystem(i)
		switch {
		case subsystem != "" && subsystem == last:
			continue
		case subsystem == "scsi":
			word, found := p.scsiWord(i)
			if word != "" {
				add(word)
			}
			parent, transport = parent || found, true
		case subsystem == "usb":
			_, port, _ := strings.Cut(name, "-")
			add("usb-0:" + port)
			transport = true
		case subsystem == "virtio":
			transport = true
		case subsystem == "pci", subsystem == "acpi", subsystem == "xen":
			add(subsystem + "-" + name)
			parent = true
			transport = transport || subsystem == "xen"
		case subsystem == "platform":
			add("platform-" + name)
			parent, transport = true, true
		}
		last = subsystem
	}
	if !parent || !transport || len(words) == 0 {
		return ""
	}
	path := words[len(words)-1]
	for i := len(words) - 2; i >= 0; i-- {
		path += "-" + words[i]
	}
	if strings.HasPrefix(p.name, "vd") && strings.HasPrefix(path, "pci-") {
		path = "virtio-" + path
	}
	return path
}

// subsystem is that of the i'th device, as far as it matters for paths. Most
// are told by their names.
func (p place) subsystem(i int) string {
	name := p.dirs[i]
	if _, ok := address(name); ok {
		return "scsi"
	}
	switch {
	case isPCI(name):
		return "pci"
	case isUSB(name):
		return "usb"
	case strings.HasPrefix(name, "virtio") && name != "virtio":
		return "virtio"
	}
	switch s := p.h.Base(p.dir(i) + "/subsystem"); s {
	case "platform", "acpi", "xen":
		return s
	}
	return ""
}

// scsiWord is the part of the path for a SCSI device. found tells that its
// transport is named by the world and not by a controller.
func (p place) scsiWord(i int) (word string, found bool) {
	n, _ := address(p.dirs[i])
	if i < 3 {
		return "", false
	}
	unit := lun(n[3])
	if p.at("rport-") > 0 {
		return "fc-" + p.class(i-1, "fc_transport", "port_name") + "-" + unit, true
	}
	if end := p.at("end_device-"); end > 2 {
		return p.sasWord(end) + "-" + unit, true
	}
	if s := p.at("session"); s > 0 {
		return p.iscsiWord(s) + "-" + unit, true
	}
	if a := p.at("ata"); a > 0 {
		port := "ata-" + p.class(a, "ata_port", "port_no")
		switch {
		case n[1] != 0: // behind a port multiplier
			port += "." + strconv.Itoa(n[1]) + ".0"
		case n[2] != 0: // the second on a parallel cable
			port += "." + strconv.Itoa(n[2])
		}
		return port, false
	}
	// Hosts are counted in the order of their discovery: what counts here is
	// the order among those of one controller.
	host := p.at("host")
	if host < 2 {
		return "", false
	}
	if id := p.h.Text(p.dir(host-1) + "/device_id"); strings.HasPrefix(id, "{") { // Hyper-V
		return "vmbus-" + strings.ReplaceAll(strings.Trim(id, "{}"), "-", "") + "-" + unit, true
	}
	least := n[0]
	names, _ := p.h.List(p.dir(host - 1))
	for _, name := range names {
		if v, err := strconv.Atoi(strings.TrimPrefix(name, "host")); err == nil && strings.HasPrefix(name, "host") {
			least = min(least, v)
		}
	}
	return fmt.Sprintf("scsi-%d:%d:%d:%d", n[0]-least, n[1], n[2], n[3]), false
}

// class is an attribute that a class of devices gives the i'th device.
func (p place) class(i int, class, file string) string {
	return p.h.Text(p.dir(i) + "/" + class + "/" + p.dirs[i] + "/" + file)
}

// sasWord is for the end device at i: by the phy it is plugged into, or by its
// address if it has several.
func (p place) sasWord(i int) string {
	if p.class(i-1, "sas_port", "num_phys") != "1" {
		return "sas-" + p.class(i, "sas_device", "sas_address")
	}
	word := "sas-"
	if expander := p.class(i-2, "sas_device", "sas_address"); expander != "" {
		word += "exp" + expander + "-"
	}
	return word + "phy" + p.class(i, "sas_device", "phy_identifier")
}

// iscsiWord is for the session at i.
func (p place) iscsiWord(i int) string {
	connection := "connection" + strings.TrimPrefix(p.dirs[i], "session") + ":0"
	to := p.dir(i) + "/" + connection + "/iscsi_connection/" + connection + "/persistent_"
	return "ip-" + p.h.Text(to+"address") + ":" + p.h.Text(to+"port") + "-iscsi-" + p.class(i, "iscsi_session", "targetname")
}

func lun(n int) string {
	if n < 256 {
		return "lun-" + strconv.Itoa(n)
	}
	return fmt.Sprintf("lun-0x%04x%04x00000000", n&0xffff, n>>16&0xffff)
}
