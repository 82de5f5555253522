package smbios

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// structure is one of a table (section 6.1): the formatted area, which begins
// with type, length and handle, and the strings it refers to by number.
type structure struct {
	kind    byte
	handle  uint16
	data    []byte // formatted area, header included
	strings []byte // each ended by 0
	table   *Table // to tell faults
}

const endOfTable = 127

// walk finds the structures. It goes as the kernel does: to the next after the
// two zeros behind the formatted area; to the end marker, except where count
// says that more comes behind it.
func (t *Table) walk(b []byte, count int, toMarker bool) {
	var many [256]int
	n, marked := 0, false
	for (count == 0 || toMarker || n < count) && len(b) >= 4 {
		if b[0] == 0 && many[0] > 0 { // there is but one of type 0: these end a set of strings that has an empty one
			t.fault("zeros too many before structure " + strconv.Itoa(n))
			b = bytes.TrimLeft(b, "\x00")
			continue
		}
		s := structure{kind: b[0], handle: binary.LittleEndian.Uint16(b[2:]), table: t}
		length := int(b[1])
		if length < 4 {
			t.damage(fmt.Sprintf("%v claims a length of %d: what follows cannot be found", s, length))
			return
		}
		n++
		if length > len(b) { // without its strings it is worth little
			t.damage(fmt.Sprintf("%v has %d bytes, not %d", s, len(b), length))
			return
		}
		s.data, b = b[:length], b[length:]
		if end := bytes.Index(b, []byte{0, 0}); end >= 0 {
			s.strings, b = b[:end], b[end+2:]
		} else {
			if s.kind != endOfTable || len(bytes.Trim(b, "\x00")) > 0 {
				t.damage(fmt.Sprintf("strings of %v have no end", s))
			}
			s.strings, b = b[:bytes.LastIndexByte(b, 0)+1], nil // those that are whole
		}
		if many[s.kind]++; many[s.kind] == mostOfType+1 {
			t.damage(fmt.Sprintf("more than %d structures of type %d", mostOfType, s.kind))
		}
		if many[s.kind] <= mostOfType {
			t.decode(s)
		}
		if s.kind == endOfTable {
			if marked = true; toMarker || count == 0 {
				return
			}
		}
	}
	switch {
	case count > 0 && n < count:
		t.damage(fmt.Sprintf("it has %d structures, not %d", n, count))
	case count == 0 && !marked:
		t.damage("it has no end")
	}
}

// String names a structure for faults.
func (s structure) String() string {
	return fmt.Sprintf("structure of type %d, handle 0x%04x,", s.kind, s.handle)
}

// has tells whether the formatted area reaches to before end.
func (s structure) has(end int) bool { return len(s.data) >= end }

// byte, word, dword and qword read little-endian numbers, 0 beyond the end.
func (s structure) byte(at int) byte { return byte(s.number(at, 1)) }

func (s structure) word(at int) int { return int(s.number(at, 2)) }

func (s structure) dword(at int) uint32 { return uint32(s.number(at, 4)) }

func (s structure) qword(at int) uint64 { return s.number(at, 8) }

func (s structure) number(at, size int) (n uint64) {
	if !s.has(at + size) {
		return 0
	}
	for i := size - 1; i >= 0; i-- {
		n = n<<8 | uint64(s.data[at+i])
	}
	return n
}

// bytes are those of the formatted area, as many as there are.
func (s structure) bytes(at, size int) []byte {
	at = min(at, len(s.data))
	return s.data[at:min(at+size, len(s.data))]
}

// text is the string whose number is at a place, without placeholders.
func (s structure) text(at int) string {
	n := int(s.byte(at))
	rest := s.strings
	for i := 1; n > 0 && len(rest) > 0; i++ {
		one, more, _ := bytes.Cut(rest, []byte{0})
		if i == n {
			return Clean(string(one))
		}
		rest = more
	}
	if n > 0 {
		s.table.fault(fmt.Sprintf("%v has no string %d, which it refers to", s, n))
	}
	return ""
}

// nth is one of words that a bar stands between, "" if there is none.
func nth(words string, n int) string {
	for i := 0; n >= 0; i++ {
		end := 0
		for end < len(words) && words[end] != '|' {
			end++
		}
		if i == n {
			return words[:end]
		}
		if end == len(words) {
			return ""
		}
		words = words[end+1:]
	}
	return ""
}
