package lldp

import "encoding/binary"

// Append writes p as an LLDPDU behind b. What is too long for its TLV is cut,
// an address that is too long left out.
func (p PDU) Append(b []byte) []byte {
	b = tlv(b, tlvChassis, []byte{byte(p.Chassis.Kind)}, cut(p.Chassis.Value, 255))
	b = tlv(b, tlvPort, []byte{byte(p.Port.Kind)}, cut(p.Port.Value, 255))
	b = tlv(b, tlvTTL, two(p.TTL), "")
	for kind, s := range [...]string{tlvPortDescription: p.PortDescription, tlvSystem: p.System, tlvDescription: p.Description} {
		if s != "" {
			b = tlv(b, kind, nil, cut(s, 255))
		}
	}
	if p.Capable|p.Enabled != 0 {
		b = tlv(b, tlvCapabilities, append(two(int(p.Capable)), two(int(p.Enabled))...), "")
	}
	for _, a := range p.Addresses {
		if n := len(a.Value); n > 0 && n < 32 {
			const unknown = 1 // kind of interface number
			b = tlv(b, tlvAddress, []byte{byte(1 + n), a.Family}, a.Value+string([]byte{unknown, 0, 0, 0, 0, 0}))
		}
	}
	if p.VLAN != 0 {
		b = organization(b, orgVLAN, two(p.VLAN), "")
	}
	for _, v := range p.VLANs {
		name := cut(v.Name, 32)
		b = organization(b, orgVLANName, append(two(v.ID), byte(len(name))), name)
	}
	if p.MaxFrame != 0 {
		b = organization(b, orgFrame, two(p.MaxFrame), "")
	}
	return tlv(b, tlvEnd, nil, "")
}

func tlv(b []byte, kind int, head []byte, value string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(kind<<9|len(head)+len(value)))
	return append(append(b, head...), value...)
}

func organization(b []byte, kind uint32, head []byte, value string) []byte {
	return tlv(b, tlvOrganization, append(binary.BigEndian.AppendUint32(nil, kind), head...), value)
}

func two(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func cut(s string, most int) string { return s[:min(len(s), most)] }
