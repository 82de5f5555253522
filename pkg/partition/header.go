package partition

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
)

const (
	signature     = "EFI PART"
	minHeader     = 92
	minEntry      = 128
	maxEntry      = 4096
	maxEntryBytes = 4 << 20 // Linux refuses larger arrays, and so do we
)

// Header is a GPT header. LBAs count sectors.
type Header struct {
	Revision    uint32
	Size        uint32 // bytes of the header that its CRC covers
	LBA         int64  // where this header lies
	Alternate   int64  // where the other one lies
	FirstUsable int64
	LastUsable  int64 // inclusive
	DiskID      GUID
	EntriesLBA  int64
	NumEntries  uint32
	EntrySize   uint32 // bytes
	EntriesCRC  uint32

	sector []byte // as decoded: reserved field and what follows the header
}

// decodeHeader checks one sector read from lba and takes it apart.
func decodeHeader(sector []byte, lba int64) (Header, error) {
	fail := func(format string, args ...any) (Header, error) {
		return Header{}, &FormatError{"gpt header", lba * int64(len(sector)), fmt.Sprintf(format, args...)}
	}
	le := binary.LittleEndian
	if string(sector[:8]) != signature {
		return fail("no \"EFI PART\" there")
	}
	size := le.Uint32(sector[12:])
	if size < minHeader || int64(size) > int64(len(sector)) {
		return fail("header size %d is not within %d to %d", size, minHeader, len(sector))
	}
	if got, want := headerCRC(sector, size), le.Uint32(sector[16:]); got != want {
		return fail("CRC is %08x and should be %08x", got, want)
	}
	h := Header{
		Revision:    le.Uint32(sector[8:]),
		Size:        size,
		LBA:         int64(le.Uint64(sector[24:])),
		Alternate:   int64(le.Uint64(sector[32:])),
		FirstUsable: int64(le.Uint64(sector[40:])),
		LastUsable:  int64(le.Uint64(sector[48:])),
		DiskID:      GUID(sector[56:72]),
		EntriesLBA:  int64(le.Uint64(sector[72:])),
		NumEntries:  le.Uint32(sector[80:]),
		EntrySize:   le.Uint32(sector[84:]),
		EntriesCRC:  le.Uint32(sector[88:]),
		sector:      append([]byte(nil), sector...),
	}
	// Every LBA must be small enough for its byte offset to fit an int64.
	limit := int64(1)<<62/int64(len(sector)) - 1
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"other header", h.Alternate}, {"first usable", h.FirstUsable},
		{"last usable", h.LastUsable}, {"entries", h.EntriesLBA},
	} {
		if f.value < 1 || f.value > limit {
			return fail("LBA of the %s is %d, outside any disk", f.name, uint64(f.value))
		}
	}
	switch {
	case h.LBA != lba:
		return fail("it says it lies at LBA %d, not %d", uint64(h.LBA), lba)
	case h.Alternate == h.LBA:
		return fail("it names itself as the other header")
	case h.FirstUsable > h.LastUsable:
		return fail("first usable LBA %d lies behind the last, %d", h.FirstUsable, h.LastUsable)
	case h.EntrySize < minEntry || h.EntrySize > maxEntry || bits.OnesCount32(h.EntrySize) != 1:
		return fail("entries of %d bytes (want 128, 256, ... 4096)", h.EntrySize)
	case h.NumEntries == 0 || int64(h.NumEntries)*int64(h.EntrySize) > maxEntryBytes:
		return fail("%d entries of %d bytes (want at least one and at most 4 MiB)", h.NumEntries, h.EntrySize)
	}
	return h, nil
}

// encode is the sector of the header, with its CRC, sectorSize bytes long.
func (h *Header) encode(sectorSize int) []byte {
	le := binary.LittleEndian
	b := make([]byte, sectorSize)
	copy(b, h.sector)
	copy(b, signature)
	le.PutUint32(b[8:], h.Revision)
	le.PutUint32(b[12:], h.Size)
	le.PutUint64(b[24:], uint64(h.LBA))
	le.PutUint64(b[32:], uint64(h.Alternate))
	le.PutUint64(b[40:], uint64(h.FirstUsable))
	le.PutUint64(b[48:], uint64(h.LastUsable))
	copy(b[56:72], h.DiskID[:])
	le.PutUint64(b[72:], uint64(h.EntriesLBA))
	le.PutUint32(b[80:], h.NumEntries)
	le.PutUint32(b[84:], h.EntrySize)
	le.PutUint32(b[88:], h.EntriesCRC)
	le.PutUint32(b[16:], headerCRC(b, h.Size))
	return b
}

// headerCRC is the CRC-32 of the first size bytes with the CRC field zero.
func headerCRC(sector []byte, size uint32) uint32 {
	crc := crc32.ChecksumIEEE(sector[:16])
	crc = crc32.Update(crc, crc32.IEEETable, make([]byte, 4))
	return crc32.Update(crc, crc32.IEEETable, sector[20:size])
}

// arrayBytes is the length of the entry array in bytes.
func (h *Header) arrayBytes() int64 { return int64(h.NumEntries) * int64(h.EntrySize) }

// arraySectors is the length of the entry array in sectors, rounded up.
func (h *Header) arraySectors(sectorSize int) int64 {
	return (h.arrayBytes() + int64(sectorSize) - 1) / int64(sectorSize)
}
