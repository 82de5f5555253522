package smbios

import "fmt"

// Slot is one for expansion cards (type 9).
type Slot struct {
	Name    string // designation, as printed on the board
	Type    int    // section 7.10.1
	Number  int    // slot ID
	InUse   bool
	Address string // PCI, "0000:03:00.0": of the card or of the port it is behind; "": not known

	Peers []string // further PCI addresses of a slot that is shared out
}

// Onboard is a device on the board (type 41).
type Onboard struct {
	Name     string // reference designation
	Type     string // "Ethernet", "Video", ...; "" if other
	Instance int    // of those of this type
	Enabled  bool
	Address  string // PCI, "" if it is none or not known
}

func (t *Table) slot(s structure) {
	const inUse = 4
	slot := Slot{
		Name: s.text(4), Type: int(s.byte(5)), InUse: s.byte(7) == inUse, Number: s.word(9),
		Address: address(s.bytes(0xd, 4)),
	}
	for i := range int(s.byte(0x12)) {
		if peer := address(s.bytes(0x13+5*i, 4)); peer != "" {
			slot.Peers = append(slot.Peers, peer)
		}
	}
	t.Slots = append(t.Slots, slot)
}

func (t *Table) onboard(s structure) {
	t.Onboard = append(t.Onboard, Onboard{
		Name: s.text(4), Enabled: s.byte(5)&0x80 != 0, Instance: int(s.byte(6)), Address: address(s.bytes(7, 4)),
		Type: nth("Video|SCSI Controller|Ethernet|Token Ring|Sound|PATA Controller|SATA Controller|SAS Controller|"+
			"Wireless LAN|Bluetooth|WWAN|eMMC|NVMe Controller|UFS Controller", int(s.byte(5)&0x7f)-3),
	})
}

// address writes segment, bus and device with function as Linux does.
func address(b []byte) string {
	if len(b) < 4 || b[0] == 0xff && b[1] == 0xff || b[2] == 0xff && b[3] == 0xff {
		return ""
	}
	return fmt.Sprintf("%02x%02x:%02x:%02x.%d", b[1], b[0], b[2], b[3]>>3, b[3]&7)
}
