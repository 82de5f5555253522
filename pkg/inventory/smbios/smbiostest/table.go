// Package smbiostest builds SMBIOS tables for tests: those of machines that could
// be, and pieces for such as should not.
package smbiostest

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Table is a table under construction. Major 3 gives it an entry point with
// anchor _SM3_, 2 one with _SM_.
type Table struct {
	Major, Minor byte
	Raw          []byte // structures so far
	Count        int    // of them
}

// Fields are the values of a structure by their offsets: byte, uint16, uint32,
// uint64, []byte, or a string, of which the number is put there.
type Fields map[int]any

// Add appends a structure whose formatted area has length bytes, and returns
// its handle.
func (t *Table) Add(kind byte, length int, fields Fields) uint16 {
	b := make([]byte, length, length+256)
	handle := uint16(0x1000 + t.Count)
	b[0], b[1] = kind, byte(length)
	binary.LittleEndian.PutUint16(b[2:], handle)
	var texts []byte
	n := byte(0)
	for _, at := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[at].(type) {
		case byte:
			b[at] = v
		case uint16:
			binary.LittleEndian.PutUint16(b[at:], v)
		case uint32:
			binary.LittleEndian.PutUint32(b[at:], v)
		case uint64:
			binary.LittleEndian.PutUint64(b[at:], v)
		case []byte:
			copy(b[at:], v)
		case string:
			n++
			b[at] = n
			texts = append(append(texts, v...), 0)
		default:
			panic("smbiostest: a field of a type it does not know")
		}
	}
	if texts == nil {
		texts = []byte{0}
	}
	t.Raw = append(append(append(t.Raw, b...), texts...), 0)
	t.Count++
	return handle
}

// Bytes is the table, with an end marker, and an entry point for it.
func (t *Table) Bytes() (entry, table []byte) {
	t.Add(127, 4, nil)
	if t.Major < 3 {
		entry = make([]byte, 31)
		copy(entry, "_SM_")
		entry[5], entry[6], entry[7] = 31, t.Major, t.Minor
		copy(entry[16:], "_DMI_")
		binary.LittleEndian.PutUint16(entry[22:], uint16(len(t.Raw)))
		binary.LittleEndian.PutUint16(entry[28:], uint16(t.Count))
		entry[30] = t.Major<<4 | t.Minor
		entry[21] = -sum(entry[16:])
		entry[4] = -sum(entry)
		return entry, t.Raw
	}
	entry = make([]byte, 24)
	copy(entry, "_SM3_")
	entry[6], entry[7], entry[8], entry[10] = 24, t.Major, t.Minor, 1
	binary.LittleEndian.PutUint32(entry[12:], uint32(len(t.Raw)+100)) // the most it can be
	entry[5] = -sum(entry)
	return entry, t.Raw
}

func sum(b []byte) (n byte) {
	for _, c := range b {
		n += c
	}
	return n
}

// Write puts a table where Linux shows it under a root.
func Write(tb testing.TB, root string, entry, table []byte) {
	tb.Helper()
	dir := filepath.Join(root, "sys/firmware/dmi/tables")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	for name, b := range map[string][]byte{"smbios_entry_point": entry, "DMI": table} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}
