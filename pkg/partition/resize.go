package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
)

var errIncomplete = errors.New("the table was read from the head of a disk only, and more of it lies behind")

// clone is a table of its own.
func (t *Table) clone() (*Table, error) {
	switch {
	case t.Incomplete:
		return nil, errIncomplete
	case t.GPT != nil:
		g := *t.GPT
		g.Boot, g.entries = bytes.Clone(g.Boot), bytes.Clone(g.entries)
		return g.Table(), nil
	case t.MBR != nil:
		m := MBR{SectorSize: t.MBR.SectorSize, Boot: bytes.Clone(t.MBR.Boot)}
		for _, e := range t.MBR.Chain {
			e.Sector = bytes.Clone(e.Sector)
			m.Chain = append(m.Chain, e)
		}
		return m.Table(), nil
	}
	return &Table{Scheme: SchemeNone, SectorSize: t.SectorSize}, nil
}

// refresh is the table with its values as its bytes have them now.
func (t *Table) refresh() *Table {
	if t.GPT != nil {
		return t.GPT.Table()
	}
	return t.MBR.Table()
}

// limit is the byte up to which partitions may reach on a disk of diskSize.
func (t *Table) limit(diskSize int64) int64 {
	ss := int64(t.SectorSize)
	if t.GPT != nil {
		return max(diskSize/ss-1-t.GPT.Header.arraySectors(t.SectorSize), 0) * ss
	}
	return min(max(diskSize/ss, 0), math.MaxUint32) * ss
}

// resize lets a partition end at byte end. Of all bytes of the table only
// those change that say so.
func (t *Table) resize(number int, end int64) {
	if t.GPT != nil {
		t.GPT.resize(number, end/int64(t.SectorSize))
	} else {
		t.MBR.resize(number, end/int64(t.SectorSize))
	}
}

// resize lets a partition end before LBA end. A record of it in a hybrid MBR
// follows.
func (g *GPT) resize(number int, end int64) {
	le := binary.LittleEndian
	slot := g.entries[(number-1)*int(g.Header.EntrySize):][:minEntry]
	first, last := int64(le.Uint64(slot[32:])), int64(le.Uint64(slot[40:]))
	for i := range 4 {
		r := decodeRecord(g.Boot, i)
		if r.Type != 0 && r.Type != typeProtective && int64(r.Start) == first && int64(r.Sectors) == last-first+1 {
			setSectors(g.Boot, i, min(end-first, math.MaxUint32))
		}
	}
	le.PutUint64(slot[40:], uint64(end-1))
	g.Header.EntriesCRC = crc32.ChecksumIEEE(g.entries)
}

// resize lets a partition end before LBA end. The link to a logical one
// follows; its container is the caller's.
func (m *MBR) resize(number int, end int64) {
	for _, p := range m.places() {
		if p.number != number {
			continue
		}
		setSectors(p.sector, p.slot, end-p.base-int64(p.record().Start))
		if p.ebr < 0 {
			return
		}
		own := m.Chain[p.ebr]
		for _, e := range m.Chain {
			for i := range 4 {
				r := decodeRecord(e.Sector, i)
				if e.Base == own.Base && isExtended(r.Type) && r.Sectors > 0 && e.Base+int64(r.Start) == own.LBA {
					setSectors(e.Sector, i, end-own.LBA)
				}
			}
		}
		return
	}
}

// setSectors changes the length of a record; its end as CHS becomes "see LBA".
func setSectors(sector []byte, i int, n int64) {
	b := sector[tableOff+16*i:][:16]
	copy(b[5:], []byte{0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(b[12:], uint32(n))
}

// container is the extended partition that a chain with this base is in.
func (t *Table) container(base int64) (Partition, bool) {
	for _, p := range t.Partitions {
		if p.Extended && p.Start == base*int64(t.SectorSize) {
			return p, true
		}
	}
	return Partition{}, false
}

// alignDown is n rounded down to the alignment, but not below least.
func alignDown(n, least int64) int64 {
	if a := n - n%alignment; a >= least {
		return a
	}
	return n
}
