package superblock

import (
	"bytes"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// uuid writes 16 bytes in order, "" if they are all zero.
func uuid(b []byte) string {
	if bytes.Count(b[:16], []byte{0}) == 16 {
		return ""
	}
	h := hex.EncodeToString(b[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// text cuts a fixed field at its first NUL and trailing spaces.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return Printable(string(b))
}

// wide reads UTF-16 up to the first NUL.
func wide(b []byte, bigEndian bool) string {
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		u := uint16(b[i]) | uint16(b[i+1])<<8
		if bigEndian {
			u = u>>8 | u<<8
		}
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return Printable(string(utf16.Decode(units)))
}

// Printable is a name from a disk without what is no UTF-8 or would move a
// terminal's cursor, and without space around it.
func Printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s))
}
