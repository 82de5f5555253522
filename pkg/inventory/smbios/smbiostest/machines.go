package smbiostest

import (
	"fmt"
	"slices"
)

// Machines are the tables of all machines here, by name.
func Machines() map[string]func() (entry, table []byte) {
	return map[string]func() (entry, table []byte){
		"dell": Dell, "hp": HP, "supermicro": Supermicro, "desktop": Desktop, "qemu": QEMU, "old": Old,
	}
}

// Dell is a server of two sockets with DDR4, as of 2018: SMBIOS 3.2, slots
// called A1 to B4, a BMC by KCS.
func Dell() (entry, table []byte) {
	t := &Table{Major: 3, Minor: 2}
	t.Add(0, 0x1a, Fields{4: "Dell Inc.", 5: "2.12.2", 6: uint16(0xf000), 8: "07/09/2021", 9: byte(0xff), 0x12: byte(3), 0x13: byte(0x0d), 0x14: byte(2), 0x15: byte(12), 0x16: uint16(0xffff)})
	t.Add(1, 0x1b, Fields{4: "Dell Inc.", 5: "PowerEdge R740", 6: "Not Specified", 7: "5RJ8NK2",
		8: []byte{0x4c, 0x4c, 0x45, 0x44, 0x00, 0x35, 0x52, 0x10, 0x80, 0x4a, 0xb5, 0xc0, 0x4f, 0x4e, 0x4b, 0x32}, 0x18: byte(6),
		0x19: "SKU=NotProvided;ModelName=PowerEdge R740", 0x1a: "PowerEdge"})
	t.Add(2, 0x0f, Fields{4: "Dell Inc.", 5: "0923K0", 6: "A03", 7: ".5RJ8NK2.CNIVC0083A0123.", 9: byte(9), 13: byte(10)})
	t.Add(3, 0x16, Fields{4: "Dell Inc.", 5: byte(0x97), 7: "5RJ8NK2", 8: "rack 12", 0x11: byte(2), 0x15: "Default string"})
	for i := range 2 {
		l1 := t.Add(7, 0x1b, Fields{5: uint16(0x180), 7: uint16(1024), 9: uint16(1024), 0x11: byte(5), 0x12: byte(7), 0x17: uint32(1024)})
		l2 := t.Add(7, 0x1b, Fields{5: uint16(0x181), 9: uint16(16384), 0x11: byte(5), 0x12: byte(8), 0x17: uint32(16384)})
		l3 := t.Add(7, 0x1b, Fields{5: uint16(0x182), 9: uint16(22528), 0x11: byte(5), 0x12: byte(2), 0x17: uint32(22528)})
		t.Add(4, 0x30, Fields{4: fmt.Sprintf("CPU%d", i+1), 5: byte(3), 7: "Intel", 8: uint64(0xbfebfbff00050654), 0x10: "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz",
			0x12: uint16(10400), 0x14: uint16(4000), 0x16: uint16(2100), 0x18: byte(0x41), 0x1a: l1, 0x1c: l2, 0x1e: l3, 0x23: byte(16), 0x24: byte(16), 0x25: byte(32)})
	}
	array := t.Add(16, 0x17, Fields{4: byte(3), 5: byte(3), 6: byte(6), 7: uint32(1 << 31), 0xb: uint16(0xfffe), 0xd: uint16(8), 0xf: uint64(3 << 40)})
	for i := range 8 {
		slot := fmt.Sprintf("%c%d", 'A'+i/4, i%4+1)
		f := Fields{4: array, 6: uint16(0xfffe), 0xe: byte(9), 0x10: slot, 0x12: byte(0x1a), 8: uint16(72), 0xa: uint16(64), 0x15: uint16(2666),
			0x17: "00AD00B300AD", 0x18: fmt.Sprintf("2B4F%04X", 0x1200+i), 0x19: fmt.Sprintf("0118%02d12", i), 0x1a: "HMA84GR7AFR4N-VK    ", 0x1b: byte(2), 0x20: uint16(2400),
			0x22: uint16(1200), 0x24: uint16(1200), 0x26: uint16(1200), 0x28: byte(3)}
		switch i {
		case 0, 4:
			f[0xc], f[0x1c] = uint16(0x7fff), uint32(32<<10)
		default:
			f[0xc] = uint16(0)
		}
		t.Add(17, 0x54, f)
	}
	t.Add(9, 0x11, Fields{4: "PCIe Slot 1", 5: byte(0xb5), 6: byte(0xb), 7: byte(4), 9: uint16(1), 0xd: uint16(0), 0xf: byte(0x3b), 0x10: byte(0)})
	t.Add(9, 0x11, Fields{4: "PCIe Slot 2", 5: byte(0xb5), 6: byte(0xb), 7: byte(3), 9: uint16(2), 0xd: uint16(0xffff), 0xf: byte(0xff), 0x10: byte(0xff)})
	for i := range 2 {
		t.Add(41, 0x0b, Fields{4: fmt.Sprintf("NIC%d", i+1), 5: byte(0x85), 6: byte(i + 1), 9: byte(0x19), 0xa: byte(i)})
	}
	t.Add(38, 0x12, Fields{4: byte(1), 5: byte(0x20), 6: byte(0x20), 7: byte(0xff), 8: uint64(0xca9), 0x10: byte(0x40 | 0x10), 0x11: byte(10)})
	t.Add(43, 0x1f, Fields{4: []byte("NTC\x00"), 8: byte(2), 9: byte(0), 0xa: uint32(1<<16 | 3), 0x12: "TPM 2.0"})
	return t.Bytes()
}

// HP is a server with one of two sockets filled and DDR4 and NVDIMMs, as of
// 2019: SMBIOS 3.3, Redfish by an inner USB network.
func HP() (entry, table []byte) {
	t := &Table{Major: 3, Minor: 3}
	t.Add(0, 0x1a, Fields{4: "HPE", 5: "U30", 8: "05/17/2022", 0x13: byte(0x0d), 0x14: byte(2), 0x15: byte(68), 0x16: byte(2), 0x17: byte(70)})
	t.Add(1, 0x1b, Fields{4: "HPE", 5: "ProLiant DL380 Gen10", 7: "MXQ92304T5      ",
		8: []byte{0x38, 0x38, 0x37, 0x38, 0x32, 0x31, 0x58, 0x4d, 0x51, 0x39, 0x32, 0x33, 0x30, 0x34, 0x54, 0x35}, 0x19: "878712-B21", 0x1a: "ProLiant"})
	t.Add(2, 0x11, Fields{4: "HPE", 5: "Riser", 7: "RISER1", 9: byte(8), 13: byte(7)})
	t.Add(2, 0x11, Fields{4: "HPE", 5: "ProLiant DL380 Gen10", 7: "PFARA%%LMBX0AB", 9: byte(9), 13: byte(10)})
	t.Add(3, 0x16, Fields{4: "HPE", 5: byte(0x17), 7: "MXQ92304T5", 8: "                                ", 0x11: byte(2)})
	t.Add(4, 0x32, Fields{4: "Proc 1", 5: byte(3), 7: "Intel(R) Corporation", 8: uint64(0xbfebfbff00050657), 0x10: "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz",
		0x14: uint16(4000), 0x16: uint16(2700), 0x18: byte(0x41), 0x1a: uint16(0xffff), 0x1c: uint16(0xffff), 0x1e: uint16(0xffff), 0x20: "UNKNOWN", 0x22: "CD8069504228001",
		0x23: byte(0xff), 0x24: byte(0xff), 0x25: byte(0xff), 0x2a: uint16(288), 0x2c: uint16(280), 0x2e: uint16(576), 0x30: uint16(560)})
	t.Add(4, 0x32, Fields{4: "Proc 2", 5: byte(3), 0x18: byte(0), 0x1a: uint16(0xffff), 0x1c: uint16(0xffff), 0x1e: uint16(0xffff)})
	array := t.Add(16, 0x17, Fields{4: byte(3), 5: byte(3), 6: byte(6), 7: uint32(1 << 30), 0xd: uint16(4)})
	t.Add(17, 0x5c, Fields{4: array, 8: uint16(72), 0xa: uint16(64), 0xc: uint16(0x7fff), 0xe: byte(9), 0x10: "PROC 1 DIMM 1", 0x12: byte(0x1a), 0x15: uint16(0xffff),
		0x17: "HPE", 0x18: "A1B2C3D4", 0x1a: "P00924-B21", 0x1b: byte(2), 0x1c: uint32(128 << 10), 0x20: uint16(0xffff), 0x26: uint16(1200), 0x28: byte(3), 0x54: uint32(70000), 0x58: uint32(65600)})
	t.Add(17, 0x5c, Fields{4: array, 8: uint16(72), 0xa: uint16(64), 0xc: uint16(0x7fff), 0xe: byte(9), 0x10: "PROC 1 DIMM 2", 0x12: byte(0x1f), 0x15: uint16(2666),
		0x17: "Intel", 0x18: "8089-A2-1839-00001234", 0x1a: "NMA1XBD128GQS", 0x1c: uint32(126 << 10), 0x28: byte(7)})
	t.Add(17, 0x5c, Fields{4: array, 0xc: uint16(0), 0x10: "PROC 1 DIMM 3"})
	t.Add(17, 0x5c, Fields{4: array, 0xc: uint16(0), 0x10: "PROC 1 DIMM 4"})
	flash := t.Add(16, 0x17, Fields{4: byte(3), 5: byte(5), 6: byte(3), 7: uint32(64 << 10), 0xd: uint16(1)})
	t.Add(17, 0x28, Fields{4: flash, 0xc: uint16(64), 0xe: byte(5), 0x10: "System ROM", 0x12: byte(9)})
	redfish := make([]byte, 95)
	redfish[16], redfish[17] = 1, 1
	copy(redfish[18:], []byte{16, 1, 15, 2})
	redfish[50], redfish[51] = 1, 1
	copy(redfish[52:], []byte{16, 1, 15, 1})
	redfish[84], redfish[85] = 0xbb, 1
	redfish[90] = 4
	copy(redfish[91:], "ilo5")
	device := []byte{4, 13, 0xf0, 0x03, 0x27, 0x2a, 0x00, 0x02, 0x65, 0xfc, 0x11, 0x22, 0x33}
	host := slices.Concat([]byte{0x40, byte(len(device))}, device, []byte{2, 2, 1, 0, 4, byte(len(redfish))}, redfish)
	t.Add(42, 4+len(host), Fields{4: host})
	t.Add(38, 0x12, Fields{4: byte(4), 5: byte(0x20), 8: uint64(0x84)})
	return t.Bytes()
}

// Supermicro is a board sold without a name for its system: placeholders, two
// memory controllers that the bank locators tell of, serial numbers of modules
// that are not there.
func Supermicro() (entry, table []byte) {
	t := &Table{Major: 3, Minor: 1}
	t.Add(0, 0x18, Fields{4: "American Megatrends Inc.", 5: "3.3", 8: "02/21/2020", 0x13: byte(0x0d), 0x14: byte(5), 0x15: byte(14), 0x16: uint16(0xffff)})
	t.Add(1, 0x1b, Fields{4: "Supermicro", 5: "Super Server", 6: "0123456789", 7: "0123456789",
		8: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xac, 0x1f, 0x6b, 1, 2, 3}, 0x19: "To be filled by O.E.M.", 0x1a: "To be filled by O.E.M."})
	t.Add(2, 0x0f, Fields{4: "Supermicro", 5: "X11DPi-N", 6: "1.02", 7: "OM18BS001234", 8: "To be filled by O.E.M.", 9: byte(9), 13: byte(10)})
	t.Add(3, 0x16, Fields{4: "Supermicro", 5: byte(17), 6: "0123456789", 7: "C8250FH12345678", 8: "To be filled by O.E.M.", 0x15: "To be filled by O.E.M."})
	for i := range 2 {
		t.Add(4, 0x30, Fields{4: fmt.Sprintf("CPU%d", i+1), 5: byte(3), 7: "Intel(R) Corporation", 0x10: "Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz", 0x14: uint16(4500),
			0x18: byte(0x41), 0x1a: uint16(0xffff), 0x1c: uint16(0xffff), 0x1e: uint16(0xffff), 0x20: "To Be Filled By O.E.M.", 0x21: "UNKNOWN", 0x22: " ", 0x23: byte(10), 0x24: byte(10), 0x25: byte(20)})
	}
	for cpu := range 2 {
		array := t.Add(16, 0x17, Fields{4: byte(3), 5: byte(3), 6: byte(5), 7: uint32(1 << 31), 0xd: uint16(4), 0xf: uint64(1 << 40)})
		for i := range 4 {
			f := Fields{4: array, 8: uint16(72), 0xa: uint16(64), 0xe: byte(9), 0x12: byte(0x1a),
				0x10: fmt.Sprintf("P%d-DIMM%c1", cpu+1, 'A'+i), 0x11: fmt.Sprintf("P%d_Node%d_Channel%d_Dimm0", cpu, i/2, i%2), 0xc: uint16(16 << 10),
				0x15: uint16(2666), 0x17: "Micron Technology", 0x18: fmt.Sprintf("1F0A%d0%d0", cpu, i), 0x19: fmt.Sprintf("P%d-DIMM%c1_AssetTag (date:18/40)", cpu+1, 'A'+i), 0x1a: "18ASF2G72PDZ-2G6E1   ", 0x1b: byte(1), 0x20: uint16(2400)}
			if i == 3 {
				f[0xc], f[0x15], f[0x17], f[0x18], f[0x19], f[0x1a] = uint16(0), uint16(0), "NO DIMM", "NO DIMM", "NO DIMM", "NO DIMM"
			}
			t.Add(17, 0x28, f)
		}
	}
	t.Add(9, 0x18, Fields{4: "CPU1 SLOT2 PCI-E 3.0 X16", 5: byte(0xb6), 7: byte(4), 9: uint16(2), 0xf: byte(0x17), 0x10: byte(0), 0x11: byte(16), 0x12: byte(1), 0x13: []byte{0, 0, 0x18, 8, 8}})
	t.Add(38, 0x12, Fields{4: byte(1), 5: byte(0x20), 8: uint64(0xca3)})
	return t.Bytes()
}

// Desktop is a cheap one, as of 2012: SMBIOS 2.7, hardly anything filled in, all
// slots called by the same name.
func Desktop() (entry, table []byte) {
	t := &Table{Major: 2, Minor: 7}
	t.Add(0, 0x18, Fields{4: "American Megatrends Inc.", 5: "F12", 8: "11/14/2013", 0x13: byte(5), 0x14: byte(4), 0x15: byte(6), 0x16: uint16(0xffff)})
	t.Add(1, 0x1b, Fields{4: "Gigabyte Technology Co., Ltd.", 5: "To be filled by O.E.M.", 6: "To be filled by O.E.M.", 7: "To be filled by O.E.M.",
		8: []byte{0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9}, 0x19: "To be filled by O.E.M.", 0x1a: "To be filled by O.E.M."})
	t.Add(2, 0x0f, Fields{4: "Gigabyte Technology Co., Ltd.", 5: "Z77-D3H", 6: "x.x", 7: "To be filled by O.E.M.", 8: "To be filled by O.E.M.", 9: byte(9), 13: byte(10)})
	t.Add(3, 0x15, Fields{4: "Gigabyte Technology Co., Ltd.", 5: byte(3), 6: "To Be Filled By O.E.M.", 7: "To Be Filled By O.E.M.", 8: "To Be Filled By O.E.M."})
	l1 := t.Add(7, 0x13, Fields{4: "L1 Cache", 5: uint16(0x180), 9: uint16(256), 0x11: byte(4), 0x12: byte(7)})
	t.Add(4, 0x2a, Fields{4: "Intel(R) Core(TM) i5-3570K CPU @ 3.40GHz", 5: byte(3), 7: "Intel", 0x10: "Intel(R) Core(TM) i5-3570K CPU @ 3.40GHz", 0x14: uint16(7000), 0x18: byte(0x41),
		0x1a: l1, 0x1c: uint16(0xffff), 0x1e: uint16(0xffff), 0x20: "To Be Filled By O.E.M.", 0x21: "To Be Filled By O.E.M.", 0x22: "To Be Filled By O.E.M.", 0x23: byte(4), 0x24: byte(4), 0x25: byte(4)})
	array := t.Add(16, 0x0f, Fields{4: byte(3), 5: byte(3), 6: byte(3), 7: uint32(32 << 20), 0xd: uint16(4)})
	for i := range 4 {
		f := Fields{4: array, 8: uint16(64), 0xa: uint16(64), 0xc: uint16(4096), 0xe: byte(9), 0x10: "DIMM0", 0x11: fmt.Sprintf("BANK %d", i), 0x12: byte(0x18), 0x15: uint16(1333),
			0x17: "Kingston", 0x18: "00000000", 0x19: fmt.Sprintf("Array_AssetTagNum%d", i), 0x1a: "99U5474-016.A00LF ", 0x1b: byte(1), 0x20: uint16(1333)}
		if i > 1 {
			f[0xc], f[0x17], f[0x18], f[0x1a] = uint16(0), fmt.Sprintf("Array_Manufacturer%d", i), fmt.Sprintf("SerNum%d", i), fmt.Sprintf("PartNum%d", i)
		}
		t.Add(17, 0x22, f)
	}
	return t.Bytes()
}

// QEMU is a virtual machine with two sockets and three modules whose strings
// were set.
func QEMU() (entry, table []byte) {
	t := &Table{Major: 2, Minor: 8}
	t.Add(0, 0x18, Fields{4: "SeaBIOS", 5: "1.16.2", 8: "04/01/2014", 0x13: byte(0x1c)})
	t.Add(1, 0x1b, Fields{4: "QEMU", 5: "Standard PC (Q35 + ICH9, 2009)", 6: "pc-q35-8.2", 7: "S/N 42",
		8: []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01}, 0x19: "sku", 0x1a: "fam"})
	t.Add(3, 0x16, Fields{4: "QEMU", 5: byte(1), 6: "pc-q35-8.2"})
	for i := range 2 {
		t.Add(4, 0x30, Fields{4: fmt.Sprintf("CPU %d", i), 5: byte(3), 7: "QEMU", 0x10: "pc-q35-8.2", 0x14: uint16(2000), 0x16: uint16(2000), 0x18: byte(0x41),
			0x1a: uint16(0xffff), 0x1c: uint16(0xffff), 0x1e: uint16(0xffff), 0x20: fmt.Sprintf("cpuserial%d", i), 0x22: "cpupart", 0x23: byte(2), 0x24: byte(2), 0x25: byte(4)})
	}
	array := t.Add(16, 0x17, Fields{4: byte(1), 5: byte(3), 6: byte(6), 7: uint32(48 << 20), 0xb: uint16(0xfffe), 0xd: uint16(3)})
	for i := range 3 {
		t.Add(17, 0x28, Fields{4: array, 6: uint16(0xfffe), 8: uint16(0xffff), 0xa: uint16(0xffff), 0xc: uint16(16 << 10), 0xe: byte(9), 0x10: fmt.Sprintf("DIMM %d", i), 0x11: "bank",
			0x12: byte(7), 0x15: uint16(3200), 0x17: "QEMU", 0x18: fmt.Sprintf("dimmserial%d", i), 0x1a: "dimmpart", 0x20: uint16(3200)})
	}
	t.Add(41, 0x0b, Fields{4: "onboard lan", 5: byte(0x85), 6: byte(1), 0xa: byte(0x10)})
	return t.Bytes()
}

// Old is a machine of 2003 with one processor: SMBIOS 2.3, short structures, the
// UUID in the order of that time.
func Old() (entry, table []byte) {
	t := &Table{Major: 2, Minor: 3}
	t.Add(0, 0x14, Fields{4: "Phoenix", 5: "4.06", 8: "03/11/03"})
	t.Add(1, 0x19, Fields{4: "IBM", 5: "eserver xSeries 205 -[848011X]-", 6: "04", 7: "KBX1234",
		8: []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01}})
	t.Add(2, 8, Fields{4: "IBM", 5: "MS-9121", 6: "1.0", 7: "123"})
	t.Add(3, 9, Fields{4: "IBM", 5: byte(7)})
	l1 := t.Add(7, 0x13, Fields{4: "Internal Cache", 5: uint16(0x180), 9: uint16(8), 0x11: byte(4), 0x12: byte(5)})
	l2 := t.Add(7, 0x0f, Fields{4: "External Cache", 5: uint16(0x181), 9: uint16(0x8008)})
	t.Add(4, 0x23, Fields{4: "Socket 478", 5: byte(3), 7: "GenuineIntel", 0x10: "Intel(R) Pentium(R) 4 CPU", 0x14: uint16(2400), 0x18: byte(0x41), 0x1a: l1, 0x1c: l2, 0x1e: uint16(0xffff)})
	array := t.Add(16, 0x0f, Fields{4: byte(3), 5: byte(3), 6: byte(5), 7: uint32(2 << 20), 0xd: uint16(2)})
	t.Add(17, 0x1b, Fields{4: array, 8: uint16(72), 0xa: uint16(64), 0xc: uint16(512), 0xe: byte(9), 0x10: "DIMM1", 0x11: "Bank 1", 0x12: byte(0x12), 0x15: uint16(266)})
	t.Add(17, 0x1b, Fields{4: array, 0xc: uint16(0x8000 | 512), 0xe: byte(9), 0x10: "DIMM2", 0x11: "Bank 2", 0x12: byte(0x12)})
	return t.Bytes()
}
