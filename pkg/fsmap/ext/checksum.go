package ext

import (
	"encoding/binary"
	"hash/crc32"
)

// crc32c continues a CRC-32C without the inversions that usually surround it.
func crc32c(crc uint32, b []byte) uint32 {
	return ^crc32.Update(^crc, crc32.MakeTable(crc32.Castagnoli), b)
}

// crc16 continues the CRC of uninit_bg: polynomial 0x8005, reflected.
func crc16(crc uint16, b []byte) uint16 {
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xA001
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}

// le is a number as it is fed into checksums.
func le(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// descCsum is the checksum that belongs to group g's descriptor d.
func (s *Super) descCsum(g uint32, d []byte) uint16 {
	const at = 0x1E // where the checksum itself is
	if s.HasCsum() {
		crc := crc32c(s.seed, le(g))
		crc = crc32c(crc, d[:at])
		crc = crc32c(crc, []byte{0, 0})
		return uint16(crc32c(crc, d[at+2:]))
	}
	crc := crc16(^uint16(0), s.uuid[:])
	crc = crc16(crc, le(g))
	crc = crc16(crc, d[:at])
	return crc16(crc, d[at+2:])
}
