package ndz

import (
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Header is what the header area of a chunk says.
type Header struct {
	Version int
	Size    int   // of the stream, in bytes, padding of a cipher included
	Index   int32 // of the chunk in the file
	Total   int32 // chunks in the file, 0 if not told

	// First and Last are the sectors that the chunk speaks for, Last not
	// included. A header of version 1 has no such fields: what its regions
	// span is taken.
	First, Last uint64

	Regions []Region
	Relocs  []Reloc

	// Only version 4 has these.
	Cipher   uint16 // CipherNone or CipherBlowfish
	Sum      uint16 // SumNone or SumSHA1, perhaps with SumSigned
	IV       [32]byte
	Checksum [256]byte

	ID [16]byte // of the image, versions 4 and 5; zero if it has none
}

// Region is a run of sectors that the stream of a chunk holds.
type Region struct {
	Start, Count uint64 // sectors
}

// End is the first sector behind the region.
func (r Region) End() uint64 { return r.Start + r.Count }

// Range is the region in bytes.
func (r Region) Range() extent.Range {
	return extent.Range{Off: int64(r.Start) * Sector, End: int64(r.End()) * Sector}
}

// Values of Header.Cipher and Header.Sum.
const (
	CipherNone     = 0
	CipherBlowfish = 1 // CBC, with the first 8 bytes of the IV

	SumNone   = 0
	SumSHA1   = 1
	SumSigned = 0x8000 // with RSA; a flag
)

const magic = 0x69696969

// ParseHeader reads the header area at the begin of a chunk, and checks
// everything that one header allows to be checked.
func ParseHeader(b []byte) (h Header, err error) {
	if err = h.parse(b); err != nil {
		h = Header{}
	}
	return h, err
}

func (h *Header) parse(b []byte) error {
	if len(b) < HeaderSize {
		return ErrTruncated.as("%d bytes of a header", int64(len(b)))
	}
	b = b[:HeaderSize]
	le := binary.LittleEndian
	word := func(off int) uint32 { return le.Uint32(b[off:]) }

	m, area := word(0), word(16)
	*h = Header{Version: int(m-magic) + 1, Size: int(word(4)), Index: int32(word(8)), Total: int32(word(12))}
	if m < magic+MinVersion-1 || m > magic+MaxVersion-1 {
		return ErrMagic.as("it begins with %#08x", int64(m))
	}
	// Counts are signed: what is negative is huge here, and does not fit.
	l := layoutOf(h.Version)
	regions, relocs := uint64(word(20)), uint64(0)
	if l.reloc > 0 {
		relocs = uint64(word(32))
	}
	if area != HeaderSize || uint64(l.header)+regions*uint64(l.region)+relocs*uint64(l.reloc) > HeaderSize {
		return ErrTable.as("%d bytes, with %d regions and %d relocations", int64(area), int64(int32(regions)), int64(int32(relocs)))
	}

	switch h.Version {
	case 2, 3, 4:
		h.First, h.Last = uint64(word(24)), uint64(word(28))
	case 5:
		h.First, h.Last = le.Uint64(b[40:]), le.Uint64(b[48:])
		copy(h.ID[:], b[56:])
	}
	if h.Version == 4 {
		h.Cipher, h.Sum = le.Uint16(b[36:]), le.Uint16(b[38:])
		copy(h.IV[:], b[40:])
		copy(h.Checksum[:], b[72:])
		copy(h.ID[:], b[328:])
	}

	h.Regions = make([]Region, regions)
	at := l.header
	for i := range h.Regions {
		h.Regions[i] = getRegion(b[at:], l)
		at += l.region
	}
	if relocs > 0 {
		h.Relocs = make([]Reloc, relocs)
	}
	for i := range h.Relocs {
		h.Relocs[i] = getReloc(b[at:], l)
		at += l.reloc
	}
	if h.Version == 1 && regions > 0 {
		h.First, h.Last = h.Regions[0].Start, h.Regions[regions-1].End()
	}
	return h.Check()
}

func getRegion(b []byte, l layout) Region {
	le := binary.LittleEndian
	if l.region == 16 {
		return Region{le.Uint64(b), le.Uint64(b[8:])}
	}
	return Region{uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))}
}

func getReloc(b []byte, l layout) Reloc {
	le := binary.LittleEndian
	if l.reloc == 24 {
		return Reloc{le.Uint32(b), le.Uint64(b[8:]), le.Uint32(b[4:]), le.Uint64(b[16:])}
	}
	return Reloc{le.Uint32(b), uint64(le.Uint32(b[4:])), le.Uint32(b[8:]), uint64(le.Uint32(b[12:]))}
}

// Put writes the header to the first HeaderSize bytes of b, zeros behind its
// tables included. It refuses a header that ParseHeader would refuse.
func (h *Header) Put(b []byte) error {
	if err := h.Check(); err != nil {
		return err
	}
	b = b[:HeaderSize]
	clear(b)
	le := binary.LittleEndian
	l := layoutOf(h.Version)
	le.PutUint32(b, magic+uint32(h.Version)-1)
	le.PutUint32(b[4:], uint32(h.Size))
	le.PutUint32(b[8:], uint32(h.Index))
	le.PutUint32(b[12:], uint32(h.Total))
	le.PutUint32(b[16:], HeaderSize)
	le.PutUint32(b[20:], uint32(len(h.Regions)))
	if l.reloc > 0 {
		le.PutUint32(b[32:], uint32(len(h.Relocs)))
	}
	switch h.Version {
	case 2, 3, 4:
		le.PutUint32(b[24:], uint32(h.First))
		le.PutUint32(b[28:], uint32(h.Last))
	case 5:
		le.PutUint64(b[40:], h.First)
		le.PutUint64(b[48:], h.Last)
		copy(b[56:], h.ID[:])
	}
	if h.Version == 4 {
		le.PutUint16(b[36:], h.Cipher)
		le.PutUint16(b[38:], h.Sum)
		copy(b[40:], h.IV[:])
		copy(b[72:], h.Checksum[:])
		copy(b[328:], h.ID[:])
	}
	at := l.header
	for _, r := range h.Regions {
		if l.region == 16 {
			le.PutUint64(b[at:], r.Start)
			le.PutUint64(b[at+8:], r.Count)
		} else {
			le.PutUint32(b[at:], uint32(r.Start))
			le.PutUint32(b[at+4:], uint32(r.Count))
		}
		at += l.region
	}
	for _, r := range h.Relocs {
		le.PutUint32(b[at:], r.Type)
		if l.reloc == 24 {
			le.PutUint32(b[at+4:], r.Offset)
			le.PutUint64(b[at+8:], r.Sector)
			le.PutUint64(b[at+16:], r.Size)
		} else {
			le.PutUint32(b[at+4:], uint32(r.Sector))
			le.PutUint32(b[at+8:], r.Offset)
			le.PutUint32(b[at+12:], uint32(r.Size))
		}
		at += l.reloc
	}
	return nil
}

// AppendTo appends the HeaderSize bytes of Put to b.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	n := len(b)
	b = append(b, make([]byte, HeaderSize)...)
	if err := h.Put(b[n:]); err != nil {
		return b[:n], err
	}
	return b, nil
}

// Sectors is how many sectors the regions hold.
func (h *Header) Sectors() uint64 {
	n := uint64(0)
	for _, r := range h.Regions {
		n += r.Count
	}
	return n
}

// short is how many bytes of the last sector are data, 0 for all of them.
func (h *Header) short() int64 {
	for _, r := range h.Relocs {
		if r.Type == RelocShort {
			return int64(r.Size)
		}
	}
	return 0
}

// end is where on the disk ends what the chunk speaks for, in bytes.
func (h *Header) end() int64 {
	end := int64(h.Last) * Sector
	if n := h.short(); n > 0 {
		end -= Sector - n
	}
	return end
}
