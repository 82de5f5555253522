// Package ata reads what ATA disks answer: IDENTIFY DEVICE, SMART READ DATA and
// its thresholds, and the device statistics log, as in ATA/ATAPI Command Set 4
// (INCITS 529) and, for SMART attributes, which no standard knows any more, as
// in SFF-8035i and smartmontools' database.
package ata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Security is the state of the password that ATA disks can be locked with.
type Security string

const (
	SecurityDisabled Security = "disabled" // there is no password
	SecurityEnabled  Security = "enabled"  // and unlocked
	SecurityLocked   Security = "locked"
	SecurityFrozen   Security = "frozen" // there is none, and none can be set until the next power cycle
)

// Identity is what a disk says of itself.
type Identity struct {
	Model, Serial, Firmware string

	WWN      string   // 16 hexadecimal digits; "" if there is none
	RPM      int      // 0: not known, or a solid state disk
	Solid    bool     // a solid state disk
	Trusted  bool     // it has the trusted computing (TCG) feature set
	Encrypts bool     // all user data is encrypted
	Security Security // "" if there is no such feature
	SMART    bool     // it has SMART and that is enabled
	Logs     bool     // it has the general purpose logging feature set
	Sector   int      // logical, bytes
}

var errShort = errors.New("answer is too short")

// ParseIdentity reads the 512 bytes of IDENTIFY DEVICE.
func ParseIdentity(b []byte) (Identity, error) {
	if len(b) < 512 {
		return Identity{}, fmt.Errorf("read ATA identity: %w", errShort)
	}
	b = b[:512]
	if b[510] == 0xa5 && sum(b) != 0 {
		return Identity{}, errors.New("read ATA identity: wrong checksum")
	}
	word := func(n int) uint16 { return binary.LittleEndian.Uint16(b[2*n:]) }
	valid := func(n int) bool { return word(n)>>14 == 1 } // bits 15 and 14 of words that say so
	id := Identity{Model: text(b[54:94]), Serial: text(b[20:40]), Firmware: text(b[46:54])}
	if word(0)>>15 != 0 || id.Model == "" {
		return Identity{}, errors.New("read ATA identity: it is not that of an ATA disk")
	}
	if valid(87) && word(87)&(1<<8) != 0 {
		id.WWN = fmt.Sprintf("%04x%04x%04x%04x", word(108), word(109), word(110), word(111))
		if strings.Trim(id.WWN, "0") == "" {
			id.WWN = ""
		}
	}
	switch n := word(217); {
	case n == 1:
		id.Solid = true
	case n > 0x400 && n < 0xffff:
		id.RPM = int(n)
	}
	id.Trusted = valid(48) && word(48)&1 != 0
	id.Encrypts = word(69) != 0xffff && word(69)&(1<<4) != 0
	id.SMART = valid(83) && word(82)&1 != 0 && word(85)&1 != 0
	id.Logs = valid(84) && word(84)&(1<<5) != 0 || valid(87) && word(87)&(1<<5) != 0
	id.Security = security(word(128))
	id.Sector = 512
	if valid(106) && word(106)&(1<<12) != 0 {
		if n := 2 * (uint32(word(118))<<16 | uint32(word(117))); n >= 512 && n <= 64<<10 {
			id.Sector = int(n)
		}
	}
	return id, nil
}

func security(word uint16) Security {
	const supported, enabled, locked, frozen = 1 << 0, 1 << 1, 1 << 2, 1 << 3
	switch {
	case word&supported == 0 || word == 0xffff:
		return ""
	case word&locked != 0:
		return SecurityLocked
	case word&enabled != 0:
		return SecurityEnabled
	case word&frozen != 0:
		return SecurityFrozen
	}
	return SecurityDisabled
}

// text is a string of ATA: two characters a word, the first in the high byte.
func text(b []byte) string {
	s := make([]byte, 0, len(b))
	for i := 0; i+1 < len(b); i += 2 {
		s = append(s, b[i+1], b[i])
	}
	return strings.Join(strings.FieldsFunc(string(s), func(r rune) bool { return r <= ' ' || r >= 0x7f }), " ")
}

// sum is that of all bytes; those that carry a checksum add up to 0.
func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}
