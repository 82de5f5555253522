package lldp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of TLVs.
const (
	tlvEnd = iota
	tlvChassis
	tlvPort
	tlvTTL
	tlvPortDescription
	tlvSystem
	tlvDescription
	tlvCapabilities
	tlvAddress
	tlvOrganization = 127
)

// Types of organizations' TLVs: organization, subtype.
const (
	orgVLAN     = 0x0080c2_01
	orgVLANName = 0x0080c2_03
	orgFrame    = 0x00120f_04
)

// Parse reads an LLDPDU, the payload of a frame of type 0x88cc. One that breaks
// the rules for the first three TLVs, or whose last TLV is cut off, is an error;
// other TLVs that make no sense are left out (802.1AB, 9.2.7.7).
func Parse(b []byte) (PDU, error) {
	var p PDU
	for n := 1; ; n++ {
		if len(b) == 0 && n > tlvTTL {
			return p, nil
		}
		if len(b) < 2 {
			return PDU{}, fmt.Errorf("LLDPDU ends in the header of TLV %d", n)
		}
		head := binary.BigEndian.Uint16(b)
		kind, size := int(head>>9), int(head&0x1ff)
		if b = b[2:]; size > len(b) {
			return PDU{}, fmt.Errorf("LLDPDU ends in TLV %d: it has %d bytes of %d", n, len(b), size)
		}
		value := b[:size]
		b = b[size:]
		switch {
		case n <= tlvTTL && kind != n:
			return PDU{}, fmt.Errorf("TLV %d of LLDPDU is of type %d, not %d", n, kind, n)
		case n > tlvTTL && kind == tlvEnd:
			return p, nil
		case n > tlvTTL && kind <= tlvTTL:
			return PDU{}, fmt.Errorf("LLDPDU has two TLVs of type %d", kind)
		}
		if err := p.take(kind, value); err != nil {
			return PDU{}, err
		}
	}
}

// take adds what one TLV says. Of several that say the same the first counts.
func (p *PDU) take(kind int, v []byte) error {
	switch kind {
	case tlvChassis:
		if len(v) < 2 || len(v) > 256 {
			return errors.New("chassis ID of LLDPDU has a wrong length")
		}
		p.Chassis = ChassisID{ChassisKind(v[0]), string(v[1:])}
	case tlvPort:
		if len(v) < 2 || len(v) > 256 {
			return errors.New("port ID of LLDPDU has a wrong length")
		}
		p.Port = PortID{PortKind(v[0]), string(v[1:])}
	case tlvTTL:
		if len(v) < 2 {
			return errors.New("time to live of LLDPDU has a wrong length")
		}
		p.TTL = int(binary.BigEndian.Uint16(v))
	case tlvPortDescription:
		first(&p.PortDescription, v)
	case tlvSystem:
		first(&p.System, v)
	case tlvDescription:
		first(&p.Description, v)
	case tlvCapabilities:
		if len(v) >= 4 && p.Capable|p.Enabled == 0 {
			p.Capable, p.Enabled = Capabilities(binary.BigEndian.Uint16(v)), Capabilities(binary.BigEndian.Uint16(v[2:]))
		}
	case tlvAddress:
		if len(v) > 0 && v[0] > 1 && v[0] <= 32 && int(v[0]) < len(v) {
			p.Addresses = append(p.Addresses, Address{v[1], string(v[2 : 1+v[0]])})
		}
	case tlvOrganization:
		if len(v) >= 4 {
			p.organization(binary.BigEndian.Uint32(v), v[4:])
		}
	}
	return nil
}

func first(s *string, v []byte) {
	if *s == "" && len(v) <= 255 {
		*s = text(v)
	}
}

// organization adds what a TLV of IEEE 802.1 or 802.3 says.
func (p *PDU) organization(kind uint32, v []byte) {
	if len(v) < 2 {
		return
	}
	n := int(binary.BigEndian.Uint16(v))
	switch kind {
	case orgVLAN:
		if p.VLAN == 0 && n < 4095 {
			p.VLAN = n
		}
	case orgVLANName:
		if len(v) >= 3 && v[2] <= 32 && len(v) >= 3+int(v[2]) && n > 0 && n < 4095 {
			p.VLANs = append(p.VLANs, VLAN{n, text(v[3 : 3+v[2]])})
		}
	case orgFrame:
		if p.MaxFrame == 0 {
			p.MaxFrame = n
		}
	}
}
