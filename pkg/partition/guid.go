package partition

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// GUID is a globally unique identifier as a GPT stores it: the first three
// fields little-endian, the rest in order.
type GUID [16]byte

// Types of partitions, as the UEFI and the Discoverable Partitions
// specifications name them.
var (
	ESP        = mustGUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
	BIOSBoot   = mustGUID("21686148-6449-6E6F-744E-656564454649")
	LinuxData  = mustGUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
	LinuxRoot  = mustGUID("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709") // x86-64
	LinuxSwap  = mustGUID("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F")
	LinuxBoot  = mustGUID("BC13C2FF-59E6-4262-A352-B275FD6F7172") // XBOOTLDR
	LinuxLVM   = mustGUID("E6D6D379-F507-44C2-A23C-238F2A3DF928")
	LinuxRAID  = mustGUID("A19D880F-05FC-4D3B-A006-743F0F84911E")
	BasicData  = mustGUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
	MSReserved = mustGUID("E3C9E316-0B5C-4DB8-817D-F92DF00215AE")
)

// ParseGUID reads the usual text form, in either case, with or without braces.
func ParseGUID(s string) (GUID, error) {
	t := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	var g GUID
	if len(t) != 36 || t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
		return g, fmt.Errorf("read GUID %q: want 8-4-4-4-12 hexadecimal digits", s)
	}
	b, err := hex.DecodeString(t[:8] + t[9:13] + t[14:18] + t[19:23] + t[24:])
	if err != nil {
		return g, fmt.Errorf("read GUID %q: %w", s, err)
	}
	return swapGUID([16]byte(b)), nil
}

// NewGUID makes a random (version 4) GUID from 16 bytes of random.
func NewGUID(random io.Reader) (GUID, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return GUID{}, fmt.Errorf("make GUID: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return swapGUID(b), nil
}

// String is the usual text form in upper case, as GPT tools print it.
func (g GUID) String() string {
	b := swapGUID(g)
	h := strings.ToUpper(hex.EncodeToString(b[:]))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// IsZero tells an unused entry's type.
func (g GUID) IsZero() bool { return g == GUID{} }

// swapGUID turns the stored order into the written one and back.
func swapGUID(b [16]byte) GUID {
	binary.BigEndian.PutUint32(b[0:], binary.LittleEndian.Uint32(b[0:]))
	binary.BigEndian.PutUint16(b[4:], binary.LittleEndian.Uint16(b[4:]))
	binary.BigEndian.PutUint16(b[6:], binary.LittleEndian.Uint16(b[6:]))
	return b
}

func mustGUID(s string) GUID {
	g, err := ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return g
}
