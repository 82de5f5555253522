package smbios

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// BIOS is the firmware (type 0).
type BIOS struct {
	Vendor, Version string
	Date            string // as it stands, mostly MM/DD/YYYY
	Release         string // major.minor of the firmware
	ECRelease       string // of the embedded controller
	UEFI            bool   // it can UEFI
	Virtual         bool   // the machine is virtual, in the firmware's words
}

// System is the machine (type 1).
type System struct {
	Vendor, Product, Version, Serial string
	UUID                             string // lower case, in the kernel's order of bytes
	SKU, Family                      string
}

// Board is the main board (type 2).
type Board struct {
	Vendor, Product, Version, Serial, Asset string
	Location                                string // in the chassis
}

// Chassis is the enclosure (type 3).
type Chassis struct {
	Vendor  string
	Type    string // in the words of section 7.4.1
	Version string
	Serial  string
	Asset   string
	SKU     string
	Height  int // in U
}

func (t *Table) bios(s structure) {
	if t.BIOS != (BIOS{}) {
		return
	}
	t.BIOS = BIOS{
		Vendor: s.text(4), Version: s.text(5), Date: s.text(8),
		Release: release(s, 0x14), ECRelease: release(s, 0x16),
		UEFI: s.byte(0x13)&8 != 0, Virtual: s.byte(0x13)&16 != 0,
	}
}

func release(s structure, at int) string {
	if b := s.bytes(at, 2); len(b) == 2 && !(b[0] == 0xff && b[1] == 0xff) && !(b[0] == 0 && b[1] == 0) {
		return fmt.Sprintf("%d.%d", b[0], b[1])
	}
	return ""
}

func (t *Table) system(s structure) {
	if t.System != (System{}) {
		return
	}
	t.System = System{
		Vendor: s.text(4), Product: s.text(5), Version: s.text(6), Serial: s.text(7),
		UUID: uuid(s.bytes(8, 16), t.Major, t.Minor), SKU: s.text(0x19), Family: s.text(0x1a),
	}
}

// uuid writes a UUID as the kernel does: its first three fields are
// little-endian since version 2.6, and taken as they stand before.
func uuid(b []byte, major, minor int) string {
	if len(b) < 16 {
		return ""
	}
	u := [16]byte(b)
	if old := major > 0 && (major < 2 || major == 2 && minor < 6); !old {
		u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7] = u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]
	}
	x := hex.EncodeToString(u[:])
	return CleanUUID(x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:])
}

// board takes the main board of several (blades, risers), else the first.
func (t *Table) board(s structure) {
	const motherboard = 10
	rank := 1
	if s.byte(13) == motherboard || s.byte(9)&1 != 0 { // it hosts others
		rank = 2
	}
	if rank <= t.boards {
		return
	}
	t.boards = rank
	t.Board = Board{Vendor: s.text(4), Product: s.text(5), Version: s.text(6), Serial: s.text(7), Asset: s.text(8), Location: s.text(10)}
}

func (t *Table) chassis(s structure) {
	if t.Chassis != (Chassis{}) {
		return
	}
	sku := 0x15 + int(s.byte(0x13))*int(s.byte(0x14)) // after the elements it has
	t.Chassis = Chassis{
		Vendor: s.text(4), Type: chassisType(int(s.byte(5))), Version: s.text(6), Serial: s.text(7), Asset: s.text(8),
		SKU: s.text(sku), Height: int(s.byte(0x11)),
	}
}

// chassisType is section 7.4.1. Other and Unknown are as good as nothing.
func chassisType(n int) string {
	return nth("Desktop|Low Profile Desktop|Pizza Box|Mini Tower|Tower|Portable|Laptop|Notebook|Hand Held|"+
		"Docking Station|All in One|Sub Notebook|Space-saving|Lunch Box|Main Server Chassis|Expansion Chassis|"+
		"SubChassis|Bus Expansion Chassis|Peripheral Chassis|RAID Chassis|Rack Mount Chassis|Sealed-case PC|"+
		"Multi-system chassis|Compact PCI|Advanced TCA|Blade|Blade Enclosure|Tablet|Convertible|Detachable|"+
		"IoT Gateway|Embedded PC|Mini PC|Stick PC", n&0x7f-3)
}

// fill takes what is missing of types 0 to 3 from what the kernel shows.
func (t *Table) fill(h sysfs.Host) {
	id := func(name string) string { return Clean(h.Text("/sys/class/dmi/id/" + name)) }
	if t.BIOS == (BIOS{}) {
		t.BIOS = BIOS{Vendor: id("bios_vendor"), Version: id("bios_version"), Date: id("bios_date"),
			Release: id("bios_release"), ECRelease: id("ec_firmware_release")}
	}
	if t.System == (System{}) {
		t.System = System{Vendor: id("sys_vendor"), Product: id("product_name"), Version: id("product_version"),
			Serial: id("product_serial"), UUID: CleanUUID(id("product_uuid")), SKU: id("product_sku"), Family: id("product_family")}
	}
	if t.Board == (Board{}) {
		t.Board = Board{Vendor: id("board_vendor"), Product: id("board_name"), Version: id("board_version"),
			Serial: id("board_serial"), Asset: id("board_asset_tag")}
	}
	if t.Chassis == (Chassis{}) {
		n, _ := strconv.Atoi(id("chassis_type"))
		t.Chassis = Chassis{Vendor: id("chassis_vendor"), Type: chassisType(n), Version: id("chassis_version"),
			Serial: id("chassis_serial"), Asset: id("chassis_asset_tag")}
	}
}
