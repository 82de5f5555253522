package manage

import "encoding/binary"

// answer takes numbers and bytes from the front of what a device answered. What
// goes beyond its end is zero, and makes it short.
type answer struct {
	b     []byte
	short bool
}

func (a *answer) bytes(n int) []byte {
	if n < 0 || n > len(a.b) {
		a.b, a.short = nil, true
		return nil
	}
	b := a.b[:n]
	a.b = a.b[n:]
	return b
}

func (a *answer) u8() byte {
	if b := a.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// u16 is in the order of TPMs: the most significant byte comes first.
func (a *answer) u16() uint16 {
	if b := a.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (a *answer) u32() uint32 {
	if b := a.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}
