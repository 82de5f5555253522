// Package ndz reads and writes .ndz disk images, the format of Emulab's
// imagezip, versions 1 to 5: a sequence of chunks of 1 MiB, each of which says
// by itself which sectors it holds, and can be expanded without the others.
//
// A chunk is a header area of 4096 bytes and one zlib stream (RFC 1950). All
// numbers are little-endian, all sectors have 512 bytes:
//
//	 0  u32 magic        0x69696969 + version - 1
//	 4  u32 size         bytes of the stream
//	 8  i32 index        of this chunk
//	12  i32 total        number of chunks, or 0
//	16  i32 area         4096
//	20  i32 regions
//	24  u32 first, last  sectors spoken for, the end exclusive  (2, 3, 4)
//	32  i32 relocations                                        (2 and later)
//	36  u16 cipher, checksum, 32 bytes IV, 256 bytes checksum,
//	    16 bytes image id                                      (4)
//	40  u64 first, last, 16 bytes image id                     (5)
//
// The table of regions follows at 24 (version 1), 36 (2, 3), 344 (4) or 72 (5):
// start and count, of 32 bits each, or 64 in version 5. They ascend, and do not
// touch. The table of relocations follows at once. What a chunk speaks for, and
// no region holds, was free.
//
// Unlike the tools that the format comes from, this package takes nothing for
// good that is damaged or cut short, and looks at every header before it hands
// on the first byte.
package ndz

const (
	// ChunkSize is the size of every chunk in bytes.
	ChunkSize = 1 << 20

	// HeaderSize is the size of the header area, tables included.
	HeaderSize = 4096

	// MaxData is the longest stream of a chunk in bytes.
	MaxData = ChunkSize - HeaderSize

	// Sector is the unit of all sector numbers, in bytes.
	Sector = 512

	// MinVersion and MaxVersion are the versions that are read.
	MinVersion = 1
	MaxVersion = 5

	// MaxSector32 is the largest end of a region up to version 4.
	MaxSector32 = 1<<32 - 1

	// MaxSector64 is the largest end of a region in version 5: its byte has
	// a number that fits an int64.
	MaxSector64 = (1<<63 - 1) / Sector
)

// layout is what differs between versions.
type layout struct {
	header int // bytes before the table of regions
	region int // bytes of a region
	reloc  int // bytes of a relocation, 0 where there are none
}

func layoutOf(version int) layout {
	switch version {
	case 1:
		return layout{24, 8, 0}
	case 2, 3:
		return layout{36, 8, 16}
	case 4:
		return layout{344, 8, 16}
	default:
		return layout{72, 16, 24}
	}
}

// MaxRegions is how many regions a header of the version holds if there are no
// relocations.
func MaxRegions(version int) int { return Room(version, 0) }

// Room is how many regions a header of the version holds next to that many
// relocations; negative if not even they fit.
func Room(version, relocs int) int {
	l := layoutOf(version)
	left := HeaderSize - l.header - relocs*l.reloc
	if left < 0 {
		return -1
	}
	return left / l.region
}

// MaxSector is the largest end of a region, or of what a chunk speaks for.
func MaxSector(version int) uint64 {
	if version >= 5 {
		return MaxSector64
	}
	return MaxSector32
}
