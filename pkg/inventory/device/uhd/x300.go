package uhd

import (
	"bytes"
	"encoding/binary"
)

// Flags of packets.
const (
	flagAnswer = 1
	flagError  = 2
	flagRead   = 8
)

// Words of the firmware's memory: its version, and from the 13th on the EEPROM.
const (
	memory  = 0x6000
	version = memory
	eeprom  = memory + 13*4

	leastVersion = 5<<16 | 1 // with the EEPROM in memory

	productAt, nameAt, serialAt, eepromSize = 2, 76, 99, 108
)

// x300Packet asks with flags and an address to read.
func x300Packet(flags, sequence, address uint32) []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint32(b, flags)
	binary.BigEndian.PutUint32(b[4:], sequence)
	binary.BigEndian.PutUint32(b[8:], address)
	return b
}

// x300 is what is known of one radio: words of its memory by address.
type x300 struct {
	words map[uint32]uint32
}

// wanted are the addresses to read: of the product, the name and the serial
// number.
func wanted() (addresses []uint32) {
	addresses = append(addresses, version, eeprom)
	for at := uint32(nameAt); at < eepromSize; at += 4 {
		addresses = append(addresses, eeprom+at)
	}
	return addresses
}

// missing are the addresses that are not known yet.
func (x *x300) missing() (addresses []uint32) {
	for _, a := range wanted() {
		if _, ok := x.words[a]; !ok {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// take notes an answer to a packet that asked for a word.
func (x *x300) take(b []byte) {
	if len(b) != 16 || binary.BigEndian.Uint32(b) != flagAnswer|flagRead {
		return
	}
	address := binary.BigEndian.Uint32(b[8:])
	for _, a := range wanted() {
		if a == address {
			x.words[a] = binary.BigEndian.Uint32(b[12:])
		}
	}
}

// facts decodes the EEPROM, once all of it is known.
func (x *x300) facts() (kind, name, serial string) {
	if len(x.missing()) > 0 || x.words[version] < leastVersion {
		return "USRP X3x0", "", ""
	}
	b := make([]byte, eepromSize)
	for a, word := range x.words {
		if at := int(a) - eeprom; at >= 0 && at+4 <= len(b) {
			binary.BigEndian.PutUint32(b[at:], word)
		}
	}
	return Board(binary.LittleEndian.Uint16(b[productAt:])), printable(b[nameAt:serialAt]), printable(b[serialAt:])
}

// Board names a radio of the X300 series by its product number, which is its PCI
// subsystem too.
func Board(product uint16) string {
	switch {
	case product == 0x7736 || product == 0x7861:
		return "USRP X300"
	case product == 0x76ca || product >= 0x772b && product <= 0x7732 || product >= 0x77fb && product <= 0x7800,
		product >= 0x7853 && product <= 0x7862 || product == 0x78ef || product == 0x78f0:
		return "USRP X310" // or one of National Instruments' names for it
	}
	return "USRP X3x0"
}

// printable is text of an EEPROM, which ends with the first byte that is none.
func printable(b []byte) string {
	if i := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
