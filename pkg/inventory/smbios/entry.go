package smbios

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// entry is what an entry point (section 5.2) says of the table.
//
//	_SM3_ (3.0)                   _SM_ (2.1)                     _DMI_ (2.0, part of _SM_)
//	 5 checksum                    4 checksum                     5 checksum
//	 6 length                      5 length                       6 2 length of the table
//	 7 major, minor, docrev        6 major, minor                 8 4 its address
//	12 4 most bytes of the table  16 _DMI_ ...                   12 2 structures
//	16 8 its address                                             14 version in BCD
type entry struct {
	major, minor int
	length       int  // bytes of the table; 0: not known
	maximum      bool // length is but the most it can be
	count        int  // structures; 0: up to the end marker
}

// parseEntry decodes an entry point; fault says what is wrong with it. What it
// says is taken all the same: the kernel has found the table by it.
func parseEntry(b []byte) (e entry, fault string) {
	switch {
	case bytes.HasPrefix(b, []byte("_SM3_")) && len(b) >= 24:
		e = entry{major: int(b[7]), minor: int(b[8]), length: clamp(binary.LittleEndian.Uint32(b[12:])), maximum: true}
		return e, checksum(b, b[6])
	case bytes.HasPrefix(b, []byte("_SM_")) && len(b) >= 30:
		e = legacy(b[16:])
		e.major, e.minor = int(b[6]), int(b[7])
		switch [2]int{e.major, e.minor} { // versions that firmware is known to write for others
		case [2]int{2, 31}, [2]int{2, 33}:
			e.minor = 3
		case [2]int{2, 51}:
			e.minor = 6
		}
		return e, checksum(b, b[5])
	case bytes.HasPrefix(b, []byte("_DMI_")) && len(b) >= 15:
		return legacy(b), checksum(b, 15)
	case len(b) == 0:
		return entry{}, "no entry point"
	}
	return entry{}, fmt.Sprintf("entry point of %d bytes is none that is known", len(b))
}

// legacy decodes the part that begins with _DMI_, of at least 14 bytes.
func legacy(b []byte) entry {
	e := entry{length: int(binary.LittleEndian.Uint16(b[6:])), count: int(binary.LittleEndian.Uint16(b[12:]))}
	if len(b) > 14 {
		e.major, e.minor = int(b[14]>>4), int(b[14]&15)
	}
	return e
}

// checksum finds fault with the bytes of an entry point that don't add up to 0.
func checksum(b []byte, length byte) string {
	if int(length) > len(b) {
		return fmt.Sprintf("entry point has %d bytes, not %d", len(b), length)
	}
	sum := byte(0)
	for _, c := range b[:length] {
		sum += c
	}
	if sum != 0 {
		return "checksum of the entry point is wrong"
	}
	return ""
}

func clamp(n uint32) int { return int(min(n, 1<<30)) }
