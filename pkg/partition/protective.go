package partition

import (
	"encoding/binary"
	"math"
)

const typeProtective = 0xee

// isProtective tells whether sector 0 announces a GPT: Linux and UEFI firmware
// want one entry of type 0xEE that starts at LBA 1.
func isProtective(boot []byte) bool {
	if !hasBootSignature(boot) {
		return false
	}
	for i := range 4 {
		if e := decodeRecord(boot, i); e.Type == typeProtective && e.Start == 1 {
			return true
		}
	}
	return false
}

// isHybrid tells whether entries beside the protective one are in use.
func isHybrid(boot []byte) bool {
	for i := range 4 {
		if t := decodeRecord(boot, i).Type; t != 0 && t != typeProtective {
			return true
		}
	}
	return false
}

// protectiveMBR is sector 0 without boot code for a disk of so many sectors.
func protectiveMBR(sectorSize int, sectors int64) []byte {
	b := make([]byte, sectorSize)
	e := b[tableOff:]
	copy(e[1:], []byte{0x00, 0x02, 0x00, typeProtective, 0xff, 0xff, 0xff}) // CHS 0/0/2 to "not representable"
	binary.LittleEndian.PutUint32(e[8:], 1)
	binary.LittleEndian.PutUint32(e[12:], protectiveSize(sectors))
	b[510], b[511] = 0x55, 0xaa
	return b
}

// resizeProtective makes a protective entry that covered a disk of old sectors
// cover one of sectors. One that covers less belongs to a hybrid MBR, and one
// that says 0xFFFFFFFF fits every disk: both stay.
func resizeProtective(boot []byte, old, sectors int64) {
	le := binary.LittleEndian
	for i := range 4 {
		e := boot[tableOff+16*i:][:16]
		if e[4] != typeProtective || le.Uint32(e[8:]) != 1 {
			continue
		}
		if n := le.Uint32(e[12:]); n != math.MaxUint32 && n >= protectiveSize(old) {
			le.PutUint32(e[12:], protectiveSize(sectors))
			copy(e[5:8], []byte{0xff, 0xff, 0xff})
		}
	}
}

func protectiveSize(sectors int64) uint32 {
	return uint32(min(sectors-1, math.MaxUint32))
}
