package partition

import (
	"fmt"
	"hash/crc32"
)

// alignment of partitions that NewGPT places, in bytes.
const alignment = 1 << 20

// NewGPT makes a table of 128 entries for a disk of diskSize bytes. Entries
// without a Number get the next one; with Start 0 they begin at the next free
// MiB; with Size 0 they take the space up to the end of the last whole MiB (so
// that is for the last entry). Every entry needs its Type and its ID.
func NewGPT(diskSize int64, sectorSize int, id GUID, parts []Entry) (*GPT, error) {
	if err := checkSectorSize(sectorSize); err != nil {
		return nil, err
	}
	ss := int64(sectorSize)
	h := Header{
		Revision: 0x00010000, Size: minHeader, LBA: 1, Alternate: diskSize/ss - 1,
		DiskID: id, EntriesLBA: 2, NumEntries: 128, EntrySize: minEntry,
	}
	array := h.arraySectors(sectorSize)
	h.FirstUsable, h.LastUsable = 2+array, h.Alternate-array-1
	if h.LastUsable < h.FirstUsable {
		return nil, fmt.Errorf("make gpt: a disk of %d bytes has no room for the table", diskSize)
	}
	g := &GPT{SectorSize: sectorSize, Boot: protectiveMBR(sectorSize, diskSize/ss), Header: h, entries: make([]byte, h.arrayBytes())}
	g.Header.EntriesCRC = crc32.ChecksumIEEE(g.entries)
	next := max(alignment, alignUp(h.FirstUsable*ss, alignment))
	for i, e := range parts {
		if e.Number == 0 {
			e.Number = i + 1
		}
		if e.Type.IsZero() || e.ID.IsZero() {
			return nil, fmt.Errorf("make gpt: partition %d has no type or no id", e.Number)
		}
		if e.Start == 0 {
			e.Start = next
		}
		if e.Size == 0 {
			end := (h.LastUsable + 1) * ss
			if e.Size = end - end%alignment - e.Start; e.Size <= 0 {
				return nil, fmt.Errorf("make gpt: no space left for partition %d", e.Number)
			}
		}
		if err := g.SetEntry(e); err != nil {
			return nil, fmt.Errorf("make gpt: %w", err)
		}
		next = max(next, alignUp(e.Start+e.Size, alignment))
	}
	return g, nil
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }
