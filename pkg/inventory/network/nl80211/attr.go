package nl80211

import (
	"encoding/binary"
	"errors"
)

var errCut = errors.New("read nl80211 message: an attribute is cut off")

// each calls f for every attribute of a row of them.
func each(b []byte, f func(kind int, value []byte) error) error {
	const head, mask = 4, 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
	for len(b) > 0 {
		if len(b) < head {
			return errCut
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < head || n > len(b) {
			return errCut
		}
		if err := f(int(binary.NativeEndian.Uint16(b[2:])&mask), b[head:n]); err != nil {
			return err
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// message gives the attributes of a message.
func message(b []byte, f func(kind int, value []byte) error) error {
	const head = 4
	if len(b) < head {
		return errors.New("read nl80211 message: it is too short")
	}
	return each(b[head:], f)
}

// number is a 32-bit value, 0 if it is shorter.
func number(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(b)))
}
