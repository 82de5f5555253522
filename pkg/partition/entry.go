package partition

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unicode/utf16"
)

// Attributes of a GPT entry (UEFI 2.10 table 5-8).
const (
	Required       uint64 = 1 << 0
	LegacyBootable uint64 = 1 << 2
)

// Entry is one partition of a GPT.
type Entry struct {
	Number      int // from 1
	Type, ID    GUID
	Start, Size int64 // bytes, whole sectors
	Attributes  uint64
	Name        string // at most 36 UTF-16 units
}

// rawEntry is an entry in sectors, before its bounds are known to be sane.
type rawEntry struct {
	Entry
	first, last int64
}

func (g *GPT) entry(i int) rawEntry {
	le, b := binary.LittleEndian, g.entries[i*int(g.Header.EntrySize):][:minEntry]
	var units []uint16
	for o := 56; o < minEntry; o += 2 {
		u := le.Uint16(b[o:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return rawEntry{
		Entry: Entry{Type: GUID(b[:16]), ID: GUID(b[16:32]), Attributes: le.Uint64(b[48:]), Name: string(utf16.Decode(units))},
		first: int64(le.Uint64(b[32:])),
		last:  int64(le.Uint64(b[40:])),
	}
}

// SetEntry puts e at its number, replacing what was there; a zero Type frees
// it. Bytes of the slot behind the standard 128 are kept.
func (g *GPT) SetEntry(e Entry) error {
	ss := int64(g.SectorSize)
	fail := func(format string, args ...any) error {
		return fmt.Errorf("set gpt partition %d: %s", e.Number, fmt.Sprintf(format, args...))
	}
	if e.Number < 1 || e.Number > int(g.Header.NumEntries) {
		return fail("the table has entries 1 to %d", g.Header.NumEntries)
	}
	slot := g.entries[(e.Number-1)*int(g.Header.EntrySize):][:minEntry]
	if e.Type.IsZero() {
		clear(slot)
		g.Header.EntriesCRC = crc32.ChecksumIEEE(g.entries)
		return nil
	}
	if e.Start%ss != 0 || e.Size%ss != 0 || e.Size <= 0 {
		return fail("start %d and size %d are not whole sectors of %d bytes", e.Start, e.Size, ss)
	}
	if first, end := g.Header.FirstUsable*ss, (g.Header.LastUsable+1)*ss; e.Start < first || e.Size > end-e.Start {
		return fail("bytes %d to %d are not within the usable %d to %d", e.Start, e.Start+e.Size, first, end)
	}
	for _, o := range g.Entries() {
		if o.Number != e.Number && o.Start < e.Start+e.Size && e.Start < o.Start+o.Size {
			return fail("it overlaps partition %d", o.Number)
		}
	}
	name := utf16.Encode([]rune(e.Name))
	if len(name) > 36 {
		return fail("name %q is longer than 36 characters", e.Name)
	}
	le := binary.LittleEndian
	clear(slot)
	copy(slot, e.Type[:])
	copy(slot[16:], e.ID[:])
	le.PutUint64(slot[32:], uint64(e.Start/ss))
	le.PutUint64(slot[40:], uint64((e.Start+e.Size)/ss-1))
	le.PutUint64(slot[48:], e.Attributes)
	for i, u := range name {
		le.PutUint16(slot[56+2*i:], u)
	}
	g.Header.EntriesCRC = crc32.ChecksumIEEE(g.entries)
	return nil
}
