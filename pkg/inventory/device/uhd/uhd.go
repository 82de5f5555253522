// Package uhd finds software-defined radios on the network as the USRP Hardware
// Driver does: it asks by broadcast and listens for a moment. Three protocols are
// implemented as far as needed for that; numbers are big-endian.
//
// USRP2 and the N200 series (UDP port 49152, usrp2/fw_common.h of UHD), 36 bytes
// both ways:
//
//	0 version  4 id: 'a' asks, 'A' answers  8 sequence  12 address, then nothing
//
// The version is left 0, which fits all firmware: it answers any other than its
// own as if it were asked this. UHD sends its own version, 12, which the X300
// series, at the same port, would take as flags of a command to write memory.
//
// X300 series (the same port, x300_fw_common.h), 16 bytes both ways:
//
//	0 flags: 1 answer, 2 error, 8 read  4 sequence  8 address  12 data
//
// A packet with the flag 1 alone is answered as it came. Firmware of version 5.1
// and later has a copy of the board's EEPROM in memory: that is read a word at a
// time, which neither needs the radio nor disturbs who uses it.
//
// Radios with an operating system: N300, E300 and X400 series (UDP port 49600,
// usrp_mpm/discovery.py): "MPM-DISC" asks, "USRP-MPM;type=n3xx;product=n310;
// serial=..." answers.
package uhd

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Ports of the protocols.
const (
	controlPort = 49152
	mpmPort     = 49600
)

// usrp2Hello asks USRP2s and N200s.
func usrp2Hello() []byte {
	b := make([]byte, 36)
	b[7] = 'a'
	return b
}

// isUSRP2 recognises the answer.
func isUSRP2(b []byte) bool { return len(b) > 12 && binary.BigEndian.Uint32(b[4:]) == 'A' }

const mpmHello, mpmAnswer = "MPM-DISC", "USRP-MPM"

// mpm decodes the answer of a radio with an operating system.
func mpm(b []byte) (product, serial string, ok bool) {
	b, _, _ = bytes.Cut(b, []byte{0})
	fields := strings.Split(string(b[:min(len(b), 1024)]), ";")
	if fields[0] != mpmAnswer {
		return "", "", false
	}
	for _, field := range fields[1:] {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "product":
			product = value
		case "serial":
			serial = value
		}
	}
	return product, serial, true
}
