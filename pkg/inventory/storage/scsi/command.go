package scsi

import "encoding/binary"

// RequestSense asks for the state without changing it, for 252 bytes.
func RequestSense() []byte { return []byte{0x03, 1, 0, 0, 252, 0} } // descriptor format

// LogSense asks for n bytes of a page of cumulative values.
func LogSense(page byte, n int) []byte {
	b := []byte{0x4d, 0, 0x40 | page, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[7:], uint16(n))
	return b
}

// GrownDefects asks for how long the list of sectors is that went bad in use:
// READ DEFECT DATA (10), of which only the header is read.
func GrownDefects() []byte {
	const grown, physicalSector = 1 << 3, 5
	return []byte{0x37, 0, grown | physicalSector, 0, 0, 0, 0, 0, 4, 0}
}

// ParseGrownDefects counts the sectors in the list.
func ParseGrownDefects(b []byte) (int64, bool) {
	if len(b) < 4 || b[1]&(1<<3) == 0 {
		return 0, false
	}
	size := int64(8)
	if b[1]&7 == 0 {
		size = 4 // short block format
	}
	return int64(binary.BigEndian.Uint16(b[2:])) / size, true
}

// SecurityIn asks for n bytes, a multiple of 512, by a security protocol:
// SECURITY PROTOCOL IN.
func SecurityIn(protocol byte, specific uint16, n int) []byte {
	const inc512 = 1 << 7
	b := []byte{0xa2, protocol, 0, 0, inc512, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], specific)
	binary.BigEndian.PutUint32(b[6:], uint32(n/512))
	return b
}
