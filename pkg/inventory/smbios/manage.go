package smbios

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPMI is how to talk to a management controller (type 38).
type IPMI struct {
	Interface string // "kcs", "smic", "bt", "ssif", "" if not known
	Version   string // of IPMI, "2.0"
	Address   uint64 // of I/O port or memory; with ssif that on the bus
	Memory    bool   // Address is one of memory
	IRQ       int
}

func (t *Table) ipmi(s structure) {
	d := IPMI{Interface: nth("kcs|smic|bt|ssif", int(s.byte(4))-1), Address: s.qword(8), IRQ: int(s.byte(0x11))}
	if v := s.byte(5); v != 0 {
		d.Version = fmt.Sprintf("%d.%d", v>>4, v&15)
	}
	if d.Interface == "ssif" {
		d.Address = d.Address & 0xff >> 1
	} else {
		d.Memory = d.Address&1 == 0
		d.Address = d.Address&^1 | uint64(s.byte(0x10)>>4&1)
	}
	t.IPMI = append(t.IPMI, d)
}

// HostInterface is a network between the machine and its management controller
// (type 42 of kind 0x40, DSP0270): where its Redfish service is.
type HostInterface struct {
	Device  string // "usb", "pci"
	MAC     string // of the machine's end, "" if not told
	Host    string // IP address the machine's end is to have, "" if that comes by DHCP
	Service string // IP address of the controller, "" if not told
	Port    int
	VLAN    int
	Name    string // host name of the controller
}

func (t *Table) hostInterface(s structure) {
	const network = 0x40
	if s.byte(4) != network {
		return
	}
	about := s.bytes(6, int(s.byte(5))) // the device
	i := HostInterface{}
	if len(about) > 0 {
		i.Device = nth("usb|pci|usb|pci", int(about[0])-2)
		switch {
		case about[0] == 4 && len(about) >= 13:
			i.MAC = mac(about[7:13])
		case about[0] == 5 && len(about) >= 16:
			i.MAC = mac(about[10:16])
		}
	}
	at := 6 + int(s.byte(5))
	records := int(s.byte(at))
	at++
	for range records {
		const redfish = 4
		if record := s.bytes(at+2, int(s.byte(at+1))); s.byte(at) == redfish && len(record) >= 91 {
			i.redfish(record)
		}
		at += 2 + int(s.byte(at+1))
	}
	t.HostInterfaces = append(t.HostInterfaces, i)
}

// redfish decodes a protocol record of at least 91 bytes (DSP0270 section 8.4).
func (i *HostInterface) redfish(b []byte) {
	i.Host, i.Service = ip(b[17], b[18:34]), ip(b[51], b[52:68])
	i.Port, i.VLAN = int(b[84])|int(b[85])<<8, int(b[86])|int(b[87])<<8
	name := b[91:]
	i.Name = Clean(string(name[:min(int(b[90]), len(name))]))
}

func ip(format byte, b []byte) string {
	var a netip.Addr
	switch format {
	case 1:
		a = netip.AddrFrom4([4]byte(b))
	case 2:
		a = netip.AddrFrom16([16]byte(b))
	}
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

func mac(b []byte) string {
	return Clean(strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":"))
}

// TPM is a trusted platform module (type 43).
type TPM struct {
	Vendor      string // four letters
	Version     string // of the TPM specification, "2.0"
	Firmware    string // version, "7.85"
	Description string
}

func (t *Table) tpm(s structure) {
	d := TPM{Vendor: Clean(strings.TrimRight(string(s.bytes(4, 4)), "\x00")), Description: s.text(0x12)}
	if major, minor := s.byte(8), s.byte(9); major != 0 {
		d.Version = fmt.Sprintf("%d.%d", major, minor)
		switch f := s.dword(0xa); {
		case f == 0:
		case major == 1: // in bytes 2 and 3, of TPM_CAP_VERSION_INFO
			d.Firmware = Clean(fmt.Sprintf("%d.%d", f>>16&0xff, f>>24))
		default:
			d.Firmware = fmt.Sprintf("%d.%d", f>>16, f&0xffff)
		}
	}
	t.TPMs = append(t.TPMs, d)
}
