package partition

import (
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// GPT is a GUID partition table: protective MBR, primary header, entries. The
// backup follows from them. Entry array and unknown bytes are kept as read, so
// that an unchanged table encodes to the bytes it was decoded from.
type GPT struct {
	SectorSize int    // bytes
	Boot       []byte // sector 0: boot code and protective MBR
	Header     Header // the primary one

	entries []byte // the array, arrayBytes long
}

// DecodeGPT reads the protective MBR, the primary header and its entries, and
// checks both CRCs and all bounds. Anything wrong is a *FormatError.
func DecodeGPT(r io.ReaderAt, sectorSize int) (*GPT, error) {
	g, err := decodeAt(r, sectorSize, 1)
	if err != nil {
		return g, err
	}
	if h := g.Header; h.Alternate <= h.LastUsable {
		return nil, &FormatError{"gpt header", int64(sectorSize), fmt.Sprintf("the backup header at LBA %d lies in the usable area, which ends at %d", h.Alternate, h.LastUsable)}
	}
	return g, nil
}

// DecodeBackup reads the table from the backup header at the end of a disk of
// diskSize bytes: the way out when DecodeGPT fails. The result describes the
// primary again, with its entries at LBA 2, ready to be written with Pieces.
func DecodeBackup(r io.ReaderAt, sectorSize int, diskSize int64) (*GPT, error) {
	if err := checkSectorSize(sectorSize); err != nil {
		return nil, err
	}
	g, err := decodeAt(r, sectorSize, diskSize/int64(sectorSize)-1)
	if err != nil {
		return nil, err
	}
	h := &g.Header
	h.LBA, h.Alternate, h.EntriesLBA = 1, h.LBA, 2
	if 2+h.arraySectors(sectorSize) > h.FirstUsable {
		return nil, &FormatError{"gpt backup header", h.Alternate * int64(sectorSize), fmt.Sprintf("no room for its entries before the first usable LBA %d", h.FirstUsable)}
	}
	if !isProtective(g.Boot) {
		code := g.Boot[:tableOff]
		g.Boot = protectiveMBR(sectorSize, diskSize/int64(sectorSize))
		copy(g.Boot, code)
	}
	return g, nil
}

func decodeAt(r io.ReaderAt, sectorSize int, lba int64) (*GPT, error) {
	if err := checkSectorSize(sectorSize); err != nil {
		return nil, err
	}
	ss := int64(sectorSize)
	if lba < 1 {
		return nil, &FormatError{"gpt header", 0, "the disk is too small for one"}
	}
	boot := make([]byte, sectorSize)
	if err := readFull(r, boot, 0, "protective mbr"); err != nil {
		return nil, err
	}
	sector := make([]byte, sectorSize)
	if err := readFull(r, sector, lba*ss, "gpt header"); err != nil {
		// Without the header there is nothing a caller could go on with.
		return nil, &FormatError{"gpt header", lba * ss, "it cannot be read: " + err.Error()}
	}
	h, err := decodeHeader(sector, lba)
	if err != nil {
		return nil, err
	}
	if first, n := h.EntriesLBA, h.arraySectors(sectorSize); first <= lba && lba < first+n || first <= h.LastUsable && h.FirstUsable < first+n {
		return nil, &FormatError{"gpt entries", first * ss, "they overlap the header or the usable area"}
	}
	g := &GPT{SectorSize: sectorSize, Boot: boot, Header: h}
	entries := make([]byte, h.arrayBytes())
	if err := readFull(r, entries, h.EntriesLBA*ss, "gpt entries"); err != nil {
		return g, err
	}
	if got := crc32.ChecksumIEEE(entries); got != h.EntriesCRC {
		return nil, &FormatError{"gpt entries", h.EntriesLBA * ss, fmt.Sprintf("CRC is %08x and should be %08x", got, h.EntriesCRC)}
	}
	g.entries = entries
	for i := range int(h.NumEntries) {
		e := g.entry(i)
		if e.Type.IsZero() {
			continue
		}
		if e.first < 1 || e.last < e.first || e.last >= max(h.Alternate, h.LBA) {
			return nil, &FormatError{"gpt entry", h.EntriesLBA*ss + int64(i)*int64(h.EntrySize),
				fmt.Sprintf("partition %d from LBA %d to %d lies outside the disk", i+1, uint64(e.first), uint64(e.last))}
		}
	}
	return g, nil
}

// End is the size in bytes of the disk this table is for, backup included.
func (g *GPT) End() int64 { return (g.Header.Alternate + 1) * int64(g.SectorSize) }

// Entries lists the used entries in the order of their numbers.
func (g *GPT) Entries() []Entry {
	var list []Entry
	for i := range len(g.entries) / int(g.Header.EntrySize) {
		e := g.entry(i)
		if e.Type.IsZero() {
			continue
		}
		ss := int64(g.SectorSize)
		list = append(list, Entry{
			Number: i + 1, Type: e.Type, ID: e.ID, Name: e.Name, Attributes: e.Attributes,
			Start: e.first * ss, Size: (e.last - e.first + 1) * ss,
		})
	}
	return list
}

// Table is the GPT as a Table.
func (g *GPT) Table() *Table {
	t := &Table{Scheme: SchemeGPT, SectorSize: g.SectorSize, ID: g.Header.DiskID.String(), End: g.End(), GPT: g}
	usable := Region{g.Header.FirstUsable * int64(g.SectorSize), (g.Header.LastUsable - g.Header.FirstUsable + 1) * int64(g.SectorSize)}
	for _, e := range g.Entries() {
		p := Partition{
			Number: e.Number, Start: e.Start, Size: e.Size, Type: e.Type.String(), Name: e.Name,
			Bootable: e.Attributes&LegacyBootable != 0, ID: strings.ToLower(e.ID.String()),
		}
		if p.Start < usable.Offset || p.End() > usable.Offset+usable.Size {
			t.Warnings = append(t.Warnings, fmt.Sprintf("partition %d is not within the usable area", p.Number))
		}
		t.Partitions = append(t.Partitions, p)
	}
	t.Warnings = append(t.Warnings, overlaps(t.Partitions)...)
	if isHybrid(g.Boot) {
		t.Warnings = append(t.Warnings, "hybrid MBR: systems that ignore GPT see other partitions")
	}
	return t
}

// Encode gives the protective MBR (one sector), the primary table (header
// sector, then entries in whole sectors) and the backup (entries, then header
// sector). Entries that do not directly follow their header, as sgdisk -j
// leaves them, follow it here all the same: write Pieces instead.
func (g *GPT) Encode() (mbr, primary, backup []byte) {
	p := g.Pieces()
	return p[0].Data, append(p[1].Data, p[2].Data...), append(p[3].Data, p[4].Data...)
}

// Pieces gives everything that makes up the table with its place on the disk:
// protective MBR, primary header, primary entries, backup entries, backup
// header. The data is the caller's.
func (g *GPT) Pieces() []Piece {
	ss, h := int64(g.SectorSize), g.Header
	array := make([]byte, h.arraySectors(g.SectorSize)*ss)
	copy(array, g.entries)
	backup := g.backupHeader()
	return []Piece{
		{0, append([]byte(nil), g.Boot...)},
		{h.LBA * ss, h.encode(g.SectorSize)},
		{h.EntriesLBA * ss, array},
		{backup.EntriesLBA * ss, append([]byte(nil), array...)},
		{backup.LBA * ss, backup.encode(g.SectorSize)},
	}
}

// Regions are the ranges of Pieces: what must not be on a disk that is not to
// look partitioned.
func (g *GPT) Regions() []Region {
	var list []Region
	for _, p := range g.Pieces() {
		list = append(list, Region{p.Off, int64(len(p.Data))})
	}
	return list
}

func (g *GPT) backupHeader() Header {
	h := g.Header
	h.LBA, h.Alternate = h.Alternate, h.LBA
	h.EntriesLBA = h.LBA - h.arraySectors(g.SectorSize)
	return h
}

// MoveBackup fits the table to a disk of diskSize bytes: the backup moves to
// its end, the usable area grows (or shrinks, if no partition is in the way),
// and a protective entry that covered the old disk covers the new one.
// Partitions stay as they are. The former backup is not erased: see Regions
// before the call.
func (g *GPT) MoveBackup(diskSize int64) error {
	sectors := diskSize / int64(g.SectorSize)
	h := g.Header
	alternate := sectors - 1
	last := alternate - h.arraySectors(g.SectorSize) - 1
	if last < h.FirstUsable {
		return fmt.Errorf("move backup gpt: a disk of %d bytes has no room for the table", diskSize)
	}
	for _, e := range g.Entries() {
		if e.Start+e.Size > (last+1)*int64(g.SectorSize) {
			return fmt.Errorf("move backup gpt: partition %d ends at byte %d, a disk of %d bytes is too small for it and the table", e.Number, e.Start+e.Size, diskSize)
		}
	}
	resizeProtective(g.Boot, h.Alternate+1, sectors)
	g.Header.Alternate, g.Header.LastUsable = alternate, last
	return nil
}
