package lldp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of CDP's TLVs.
const (
	cdpDevice       = 1
	cdpAddresses    = 2
	cdpPort         = 3
	cdpCapabilities = 4
	cdpVersion      = 5
	cdpVLAN         = 10
	cdpManagement   = 22
)

// ParseCDP reads the payload of a CDP frame, behind its SNAP header: version
// (1), seconds to live (1), checksum (2), then TLVs with type (2) and length
// (2, of the whole TLV). The checksum of the frame has guarded it already.
func ParseCDP(b []byte) (PDU, error) {
	if len(b) < 4 || b[0] < 1 || b[0] > 2 {
		return PDU{}, errors.New("CDP packet is too short, or of an unknown version")
	}
	p := PDU{TTL: int(b[1]), CDP: true}
	for b = b[4:]; len(b) > 0; {
		if padding(b) {
			break
		}
		if len(b) < 4 {
			return PDU{}, errors.New("CDP packet ends in the header of a TLV")
		}
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			return PDU{}, fmt.Errorf("CDP packet ends in a TLV: it has %d bytes of %d", len(b), size)
		}
		p.takeCDP(kind, b[4:size])
		b = b[size:]
	}
	if p.Chassis.Value == "" || p.Port.Value == "" {
		return PDU{}, errors.New("CDP packet names no device and port")
	}
	return p, nil
}

// padding fills short frames up with zeros.
func padding(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return len(b) < 46
}

func (p *PDU) takeCDP(kind uint16, v []byte) {
	switch kind {
	case cdpDevice:
		p.Chassis = ChassisID{ChassisLocal, cut(string(v), 255)}
		p.System = text(v[:min(len(v), 255)])
	case cdpPort:
		p.Port = PortID{PortName, cut(string(v), 255)}
	case cdpVersion:
		p.Description = text(v[:min(len(v), 255)])
	case cdpCapabilities:
		if len(v) >= 4 {
			p.Enabled = capabilities(binary.BigEndian.Uint32(v))
			p.Capable = p.Enabled
		}
	case cdpVLAN:
		if len(v) >= 2 {
			if n := int(binary.BigEndian.Uint16(v)); n < 4095 {
				p.VLAN = n
			}
		}
	case cdpAddresses, cdpManagement:
		p.addresses(v)
	}
}

// capabilities are CDP's in LLDP's words.
func capabilities(c uint32) (all Capabilities) {
	for _, m := range [...]struct {
		cdp  uint32
		here Capabilities
	}{{0x01, Router}, {0x02, Bridge}, {0x04, Bridge}, {0x08, Bridge}, {0x10, Station}} {
		if c&m.cdp != 0 {
			all |= m.here
		}
	}
	return all
}

// addresses reads a number (4) of addresses: kind of protocol (1), length (1)
// and value of the protocol, length (2) and value of the address. One list
// more says little new.
func (p *PDU) addresses(v []byte) {
	if len(v) < 4 || len(p.Addresses) > 0 {
		return
	}
	for v = v[4:]; len(v) >= 2; {
		n := 2 + int(v[1])
		if len(v) < n+2 {
			return
		}
		protocol := string(v[2:n])
		size := int(binary.BigEndian.Uint16(v[n:]))
		if v = v[n+2:]; size > len(v) {
			return
		}
		value := string(v[:size])
		v = v[size:]
		switch {
		case protocol == "\xcc" && size == 4: // NLPID of IPv4
			p.Addresses = append(p.Addresses, Address{1, value})
		case protocol == "\xaa\xaa\x03\x00\x00\x00\x86\xdd" && size == 16:
			p.Addresses = append(p.Addresses, Address{2, value})
		}
	}
}
