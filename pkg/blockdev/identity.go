package blockdev

import (
	"os"
	"path"
	"strings"
)

// identify fills model, serial and WWN from wherever this kind of disk keeps
// them. What is not there stays empty.
func (m Machine) identify(d *Disk) {
	sys, dev := d.SysPath, d.SysPath+"/device"
	wwid := m.word(sys + "/wwid") // NVMe
	if wwid == "" {
		wwid = m.word(dev + "/wwid") // SCSI and SATA
	}
	switch {
	case strings.HasPrefix(wwid, "naa."):
		d.WWN = "0x" + wwid[4:]
	case strings.HasPrefix(wwid, "eui."), strings.HasPrefix(wwid, "uuid."), strings.HasPrefix(wwid, "nvme."):
		d.WWN = wwid
	}
	if d.WWN == "" { // kernels before 4.x have no wwid for NVMe
		if id := m.word(sys + "/nguid"); strings.Trim(id, "0-") != "" {
			d.WWN = "eui." + strings.ReplaceAll(id, "-", "")
		} else if id := m.word(sys + "/eui"); strings.Trim(id, "0 ") != "" {
			d.WWN = "eui." + strings.ReplaceAll(id, " ", "")
		}
	}
	model, serial := m.ataIdentity(dev)
	if model == "" {
		model = m.word(dev + "/model")
		if vendor := m.word(dev + "/vendor"); vendor != "" && vendor != "ATA" && !strings.HasPrefix(vendor, "0x") && !strings.HasPrefix(model, vendor) {
			model = strings.TrimSpace(vendor + " " + model)
		}
	}
	if model == "" {
		model = m.word(dev + "/name") // MMC
	}
	d.Model = model
	for _, s := range []func() string{
		func() string { return m.word(sys + "/serial") }, // virtio
		func() string { return m.word(dev + "/serial") }, // NVMe, MMC
		func() string { return serial },                  // SATA
		func() string { return m.pageSerial(dev) },       // SCSI
		func() string { return t10Serial(wwid) },         // SATA without page 80h
		func() string { return m.usbSerial(sys, d.Bus) }, // USB
	} {
		if d.Serial = s(); d.Serial != "" {
			return
		}
	}
}

// pageSerial reads the unit serial number, SCSI vital product data page 80h
// (SPC-5, 7.7.19): a header of 4 bytes, then text.
func (m Machine) pageSerial(dev string) string {
	b, err := os.ReadFile(m.path(dev + "/vpd_pg80"))
	if err != nil || len(b) < 4 || b[1] != 0x80 {
		return ""
	}
	n := min(int(b[2])<<8|int(b[3]), len(b)-4)
	return clean(string(b[4 : 4+n]))
}

// ataIdentity reads model and serial number of a SATA disk from the IDENTIFY
// DEVICE data in SCSI page 89h (SAT-4, 12.4.2), since the model that SCSI
// itself tells is cut at 16 characters.
func (m Machine) ataIdentity(dev string) (model, serial string) {
	b, err := os.ReadFile(m.path(dev + "/vpd_pg89"))
	if err != nil || len(b) < 572 || b[1] != 0x89 {
		return "", ""
	}
	id := b[60:572]
	text := func(word, words int) string {
		s := make([]byte, 0, 2*words)
		for i := 2 * word; i < 2*(word+words); i += 2 {
			s = append(s, id[i+1], id[i]) // two characters a word, the first in the high byte
		}
		return clean(string(s))
	}
	return text(27, 20), text(10, 10)
}

// t10Serial takes the serial number from a wwid such as
// "t10.ATA     QEMU HARDDISK                           QM00001".
func t10Serial(wwid string) string {
	rest, ok := strings.CutPrefix(wwid, "t10.ATA ")
	if !ok {
		return ""
	}
	return rest[strings.LastIndexByte(rest, ' ')+1:]
}

// usbSerial climbs from the disk to the USB device it hangs on.
func (m Machine) usbSerial(sys, bus string) string {
	if bus != "usb" {
		return ""
	}
	for p := sys; p != "/" && p != "."; p = path.Dir(p) {
		if _, err := os.Stat(m.path(p + "/idVendor")); err == nil {
			return m.word(p + "/serial")
		}
	}
	return ""
}
