package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	tableOff   = 446 // the four records of a boot sector
	diskIDOff  = 440 // its disk signature
	maxLogical = 256 // Linux stops counting there, too
)

// Record is one of the four entries of a boot record. Start and Sectors count
// sectors; Start is relative as the place of the record demands.
type Record struct {
	Active         bool
	Type           byte
	Start, Sectors uint32
}

// MBR is a boot sector with four primary partitions, and the chains of
// extended boot records in those that are extended.
type MBR struct {
	SectorSize int    // bytes
	Boot       []byte // sector 0
	Chain      []EBR  // in the order of the chain: logical partitions 5, 6, ...
}

// EBR is an extended boot record.
type EBR struct {
	LBA    int64 // absolute
	Base   int64 // LBA of the extended partition, which links are relative to
	Sector []byte
}

// DecodeMBR reads the boot sector and follows the extended chains. A chain
// that loops or leaves its partition is a *FormatError.
func DecodeMBR(r io.ReaderAt, sectorSize int) (*MBR, error) {
	if err := checkSectorSize(sectorSize); err != nil {
		return nil, err
	}
	m := &MBR{SectorSize: sectorSize, Boot: make([]byte, sectorSize)}
	if err := readFull(r, m.Boot, 0, "mbr"); err != nil {
		return nil, err
	}
	if !hasBootSignature(m.Boot) {
		return nil, &FormatError{"mbr", 0, "it does not end in 55 aa"}
	}
	for i := range 4 {
		p := decodeRecord(m.Boot, i)
		if !isExtended(p.Type) || p.Sectors == 0 {
			continue
		}
		if err := m.follow(r, int64(p.Start), int64(p.Sectors)); err != nil {
			return m, err
		}
	}
	return m, nil
}

// follow reads one chain of extended boot records.
func (m *MBR) follow(r io.ReaderAt, base, sectors int64) error {
	fail := func(lba int64, reason string) error {
		return &FormatError{"extended boot record", lba * int64(m.SectorSize), reason}
	}
	seen := map[int64]bool{}
	for lba := base; ; {
		switch {
		case lba == 0:
			return fail(lba, "the chain leads to the boot sector")
		case seen[lba]:
			return fail(lba, "the chain loops")
		case len(m.Chain) == maxLogical:
			return fail(lba, "the chain has more than 256 records")
		}
		seen[lba] = true
		e := EBR{LBA: lba, Base: base, Sector: make([]byte, m.SectorSize)}
		if err := readFull(r, e.Sector, lba*int64(m.SectorSize), "extended boot record"); err != nil {
			return err
		}
		if !hasBootSignature(e.Sector) {
			if lba == base && bytes.Count(e.Sector, []byte{0}) == len(e.Sector) {
				return nil // an extended partition that nothing was ever put in
			}
			return fail(lba, "it does not end in 55 aa")
		}
		m.Chain = append(m.Chain, e)
		link, ok := e.link()
		if !ok {
			return nil
		}
		if int64(link.Start) >= sectors {
			return fail(lba, "its link leads out of the extended partition")
		}
		lba = base + int64(link.Start)
	}
}

// link is the record that points to the next EBR.
func (e EBR) link() (Record, bool) {
	for i := range 4 {
		if r := decodeRecord(e.Sector, i); isExtended(r.Type) && r.Sectors > 0 {
			return r, true
		}
	}
	return Record{}, false
}

// Table is the MBR as a Table. Partitions are numbered as Linux does: primary
// ones by slot, logical ones from 5 along the chain.
func (m *MBR) Table() *Table {
	id := binary.LittleEndian.Uint32(m.Boot[diskIDOff:])
	t := &Table{Scheme: SchemeMBR, SectorSize: m.SectorSize, ID: fmt.Sprintf("%08x", id), MBR: m}
	t.End = int64(m.SectorSize)
	for _, p := range m.places() {
		r := p.record()
		part := Partition{
			Number: p.number, Start: (p.base + int64(r.Start)) * int64(m.SectorSize), Size: int64(r.Sectors) * int64(m.SectorSize),
			Type: fmt.Sprintf("0x%02x", r.Type), Bootable: r.Active, ID: fmt.Sprintf("%08x-%02x", id, p.number), Extended: isExtended(r.Type),
		}
		t.Partitions = append(t.Partitions, part)
		t.End = max(t.End, part.End())
	}
	t.Warnings = overlaps(t.Partitions)
	return t
}

// place is where the record of a partition is.
type place struct {
	number int // as Linux counts
	sector []byte
	slot   int
	base   int64 // LBA that its start is relative to
	ebr    int   // index in the chain, -1 in the boot sector
}

func (p place) record() Record { return decodeRecord(p.sector, p.slot) }

// places are those of all partitions in use, in the order of their numbers.
func (m *MBR) places() []place {
	var list []place
	for i := range 4 {
		if r := decodeRecord(m.Boot, i); r.Type != 0 && r.Sectors > 0 {
			list = append(list, place{i + 1, m.Boot, i, 0, -1})
		}
	}
	number := 5
	for n, e := range m.Chain {
		for i := range 4 {
			if r := decodeRecord(e.Sector, i); r.Type != 0 && r.Sectors > 0 && !isExtended(r.Type) {
				list = append(list, place{number, e.Sector, i, e.LBA, n})
				number++
			}
		}
	}
	return list
}

// SetRecord replaces primary record number 1 to 4. CHS addresses are set to
// "see LBA".
func (m *MBR) SetRecord(number int, r Record) { encodeRecord(m.Boot, number-1, r) }

// Pieces gives the boot records with their places on the disk.
func (m *MBR) Pieces() []Piece {
	list := []Piece{{0, bytes.Clone(m.Boot)}}
	for _, e := range m.Chain {
		list = append(list, Piece{e.LBA * int64(m.SectorSize), bytes.Clone(e.Sector)})
	}
	return list
}

func hasBootSignature(sector []byte) bool {
	return len(sector) >= 512 && sector[510] == 0x55 && sector[511] == 0xaa
}

// isMBR tells a partitioned boot sector from the boot sector of a file system,
// which ends in the same two bytes.
func isMBR(boot []byte) bool {
	if !hasBootSignature(boot) {
		return false
	}
	used := false
	for i := range 4 {
		if f := boot[tableOff+16*i]; f != 0 && f != 0x80 {
			return false // code or text of a boot sector
		}
		r := decodeRecord(boot, i)
		used = used || r.Type != 0 && r.Sectors > 0
	}
	if oem := string(boot[3:11]); oem == "NTFS    " || oem == "EXFAT   " {
		return false
	}
	return used || !isFAT(boot)
}

// isFAT looks for a plausible BIOS parameter block.
func isFAT(b []byte) bool {
	media := b[21]
	reserved := binary.LittleEndian.Uint16(b[14:])
	fats := b[16]
	return (b[0] == 0xeb || b[0] == 0xe9) && reserved != 0 && (fats == 1 || fats == 2) && (media == 0xf0 || media >= 0xf8)
}

func isExtended(typ byte) bool { return typ == 0x05 || typ == 0x0f || typ == 0x85 }

func decodeRecord(sector []byte, i int) Record {
	b := sector[tableOff+16*i:][:16]
	return Record{Active: b[0] == 0x80, Type: b[4], Start: binary.LittleEndian.Uint32(b[8:]), Sectors: binary.LittleEndian.Uint32(b[12:])}
}

func encodeRecord(sector []byte, i int, r Record) {
	b := sector[tableOff+16*i:][:16]
	clear(b)
	if r.Type == 0 {
		return
	}
	if r.Active {
		b[0] = 0x80
	}
	copy(b[1:], []byte{0xfe, 0xff, 0xff, r.Type, 0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(b[8:], r.Start)
	binary.LittleEndian.PutUint32(b[12:], r.Sectors)
}
