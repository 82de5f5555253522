// Package scsi reads what SCSI disks answer: vital product data, sense data,
// and the log pages that tell of their health, as in SCSI Primary Commands 5
// (INCITS 502) and SCSI Block Commands 4 (INCITS 506).
package scsi

import "encoding/binary"

// page gives the content of a page of vital product data, nil if it is not the
// one, or not all of it.
func page(b []byte, code byte) []byte {
	if len(b) < 4 || b[1] != code {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b)-4 {
		return nil
	}
	return b[4:][:n]
}

// RPM reads the medium's rotation rate from page B1h, block device
// characteristics. It is 0 where that is not told, or the medium does not rotate.
func RPM(b []byte) int {
	p := page(b, 0xb1)
	if len(p) < 2 {
		return 0
	}
	if n := int(binary.BigEndian.Uint16(p)); n > 0x400 && n < 0xffff {
		return n
	}
	return 0
}

// Identify is the IDENTIFY DEVICE data in page 89h, ATA information (SAT-4,
// 12.4.2). It is nil where there is none.
func Identify(b []byte) []byte {
	p := page(b, 0x89)
	const at, identifyDevice = 56, 0xec
	if len(p) < at+512 || p[52] != identifyDevice {
		return nil
	}
	return p[at:][:512]
}
