// Package tcg reads whether a disk encrypts itself: the Level 0 Discovery
// answer of the Trusted Computing Group's Storage Architecture Core
// Specification 2.01, 3.3.6. Disks give it without a session and without a
// password, by security protocol 01h with the specific value 0001h, over NVMe,
// SCSI and ATA alike.
package tcg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Protocol, Specific and Size are what to ask with.
const (
	Protocol = 0x01
	Specific = 0x0001
	Size     = 2048 // bytes, more than any disk fills
)

// Discovery is what a disk can and does.
type Discovery struct {
	SSC      bool // it has a security subsystem: Opal, Enterprise, Pyrite, Ruby, ...
	Locking  bool // it can lock
	Enabled  bool // locking is set up
	Locked   bool // some of it is locked now
	Encrypts bool // the medium is encrypted
}

// Parse reads the answer: a header of 48 bytes and the features, each with a
// code, a version, a length and that many bytes.
func Parse(b []byte) (Discovery, error) {
	const header = 48
	if len(b) < header {
		return Discovery{}, errors.New("read TCG discovery: answer is too short")
	}
	n := int64(binary.BigEndian.Uint32(b)) + 4 // the length does not count itself
	if n < header || n > int64(len(b)) {
		return Discovery{}, fmt.Errorf("read TCG discovery: length %d of %d bytes", n, len(b))
	}
	var d Discovery
	for b = b[header:n]; len(b) >= 4; {
		size := 4 + int(b[3])
		if size > len(b) {
			return Discovery{}, errors.New("read TCG discovery: a feature is cut short")
		}
		const locking, firstSSC, lastSSC = 0x0002, 0x0100, 0x03ff
		const datastore, singleUser = 0x0202, 0x0201
		switch code := binary.BigEndian.Uint16(b); {
		case code == locking && size > 4:
			bits := b[4]
			d.Locking, d.Enabled, d.Locked, d.Encrypts = bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0
		case code == singleUser, code == datastore: // additions to one
		case code >= firstSSC && code <= lastSSC:
			d.SSC = true
		}
		b = b[size:]
	}
	return d, nil
}

// State is the word for it: "none", "supported", "enabled" or "locked".
func (d Discovery) State() string {
	switch {
	case d.Enabled && d.Locked:
		return "locked"
	case d.Enabled:
		return "enabled"
	case d.SSC, d.Locking:
		return "supported"
	}
	return "none"
}
