package lldp

import (
	"encoding/hex"
	"net/netip"
)

// ChassisID names a system, by one of several kinds of names.
type ChassisID struct {
	Kind  ChassisKind
	Value string // bytes
}

// ChassisKind says what a chassis ID is (802.1AB, table 8-2).
type ChassisKind byte

// Kinds of chassis IDs.
const (
	ChassisMAC     ChassisKind = 4
	ChassisAddress ChassisKind = 5 // family, address
	ChassisLocal   ChassisKind = 7
)

// PortID names a port of a system, by one of several kinds of names.
type PortID struct {
	Kind  PortKind
	Value string // bytes
}

// PortKind says what a port ID is (802.1AB, table 8-3).
type PortKind byte

// Kinds of port IDs.
const (
	PortMAC     PortKind = 3
	PortAddress PortKind = 4 // family, address
	PortName    PortKind = 5 // of the interface
)

// String writes an ID as people know it.
func (id ChassisID) String() string {
	return words(id.Value, id.Kind == ChassisMAC, id.Kind == ChassisAddress)
}

// String writes an ID as people know it.
func (id PortID) String() string {
	return words(id.Value, id.Kind == PortMAC, id.Kind == PortAddress)
}

func words(value string, mac, address bool) string {
	switch {
	case mac && len(value) == 6:
		return colons(value)
	case address && len(value) > 1:
		return Address{Family: value[0], Value: value[1:]}.String()
	case mac || address || !readable(value):
		return hex.EncodeToString([]byte(value))
	}
	return text([]byte(value))
}

// Address is one of a system's, for management.
type Address struct {
	Family byte   // of IANA's address family numbers: 1 IPv4, 2 IPv6, 6 MAC
	Value  string // bytes
}

// String writes an address as people know it.
func (a Address) String() string {
	if ip, ok := netip.AddrFromSlice([]byte(a.Value)); ok && (a.Family == 1 && ip.Is4() || a.Family == 2 && ip.Is6()) {
		return ip.String()
	}
	if a.Family == 6 && len(a.Value) == 6 {
		return colons(a.Value)
	}
	return hex.EncodeToString([]byte(a.Value))
}

func colons(mac string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*len(mac))
	for i := range len(mac) {
		b = append(b, digits[mac[i]>>4], digits[mac[i]&15], ':')
	}
	return string(b[:len(b)-1])
}
