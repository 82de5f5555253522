package ndz

// Reloc is a place in the data of a chunk that is changed on its way to the
// disk: an address counted from the begin of the disk, in the image of a
// partition; or the end of data that fills no sector.
type Reloc struct {
	Type   uint32
	Sector uint64 // of the place, counted as in regions
	Offset uint32 // of the place in the sector, in bytes
	Size   uint64 // of the place, in bytes
}

// Types of relocations. Others are refused: what they want changed would
// silently stay.
const (
	RelocNone    = 0
	RelocFreeBSD = 1 // disklabel: offsets and sizes of partitions
	RelocOpenBSD = 2 // the same, less the entries 2 and from 8
	RelocLILO    = 3 // one sector address of LILO
	RelocLILOMap = 4 // a sector of such addresses
	RelocLILOSum = 5 // the checksum of LILO's descriptors, which begin 990 bytes before
	RelocShort   = 6 // only the first Size bytes of the last sector are data
)

const (
	labelMin   = 276 // a disklabel of 8 partitions
	liloAddr   = 5
	liloTable  = 990  // bytes of LILO's descriptors, from which a relocation counts back
	liloSummed = 1024 // bytes that their checksum covers
)

// window is the bytes that applying the relocation reads or changes, counted
// from the begin of the image's address space; ok is false if its fields make
// no sense. Nothing overflows: sectors are checked against max first.
func (r Reloc) window(max uint64) (begin, end uint64, ok bool) {
	if r.Sector > max {
		return 0, 0, false
	}
	begin = r.Sector*Sector + uint64(r.Offset)
	switch r.Type {
	case RelocNone:
		return begin, begin, true
	case RelocFreeBSD, RelocOpenBSD:
		// However many partitions it counts, a label ends with its sector.
		return begin, begin + Sector, r.Offset == 0 && r.Size >= labelMin && r.Size <= Sector
	case RelocLILO:
		return begin, begin + liloAddr, r.Size == liloAddr
	case RelocLILOMap:
		return begin, begin + Sector, r.Size == Sector
	case RelocLILOSum:
		if begin < liloTable {
			return 0, 0, false
		}
		begin -= liloTable
		return begin, begin + liloSummed, r.Size == 2
	case RelocShort:
		return begin, begin + Sector, r.Offset == 0 && r.Size > 0 && r.Size < Sector
	}
	return 0, 0, false
}
