package xfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

const kind = "xfs"

// Feature bits that make a difference to us, or that we know make none.
const (
	versionQuota   = 0x0040
	versionAlign   = 0x0080
	versionSunit   = 0x0100
	versionLogV2   = 0x0400
	versionSector  = 0x0800
	versionUnwrit  = 0x1000
	versionDirV2   = 0x2000
	versionCI      = 0x4000
	versionMore    = 0x8000
	versionKnown   = 0xf | 0x0010 | 0x0020 | versionQuota | versionAlign | versionSunit | versionLogV2 | versionSector | versionUnwrit | versionDirV2 | versionCI | versionMore
	moreLazyCount  = 0x0002
	moreKnown      = moreLazyCount | 0x0008 | 0x0080 | 0x0100 | 0x0200 // attr2, 32-bit project ids, crc, ftype
	roFinobt       = 0x1
	roRmap         = 0x2
	roReflink      = 0x4
	roInobtCount   = 0x8
	roKnown        = roFinobt | roRmap | roReflink | roInobtCount
	incompatUUID   = 0x4
	incompatRepair = 0x10
	// ftype, sparse inodes, big time stamps, 64-bit extent counts, exchange
	// of ranges, parent pointers: none moves what is free.
	incompatKnown = 0x1 | 0x2 | incompatUUID | 0x8 | incompatRepair | 0x20 | 0x40 | 0x80
)

// super is what the superblock in the first sector says.
type super struct {
	version   int // 4, or 5: with checksums and owners
	block     int64
	sector    int64
	blocks    int64 // of the whole data device
	agBlocks  int64 // of all groups but the last
	groups    int64
	agLog     uint // bits of a block's number within its group
	logStart  uint64
	logBlocks int64
	lazy      bool
	free      uint64 // blocks
	uuid      [16]byte
	owner     [16]byte // the uuid that metadata carries
	label     string
	ro        uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOK tells whether b's checksum, little-endian at off, is right.
func sumOK(b []byte, off int) bool {
	sum := crc32.Update(0, castagnoli, b[:off])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[off+4:]) == binary.LittleEndian.Uint32(b[off:])
}

// readSuper reads the superblock and refuses what it does not know.
func readSuper(r io.ReaderAt, size int64) (*super, error) {
	if size < 512 {
		return nil, fsmap.ErrUnknown
	}
	b := make([]byte, 512)
	if err := readAt(r, b, 0, "superblock"); err != nil {
		return nil, err
	}
	if string(b[:4]) != "XFSB" {
		return nil, fsmap.ErrUnknown
	}
	be := binary.BigEndian
	if n := int64(be.Uint16(b[102:])); n > 512 && n <= 32768 && n <= size {
		b = make([]byte, n)
		if err := readAt(r, b, 0, "superblock"); err != nil {
			return nil, err
		}
	}
	flags := be.Uint16(b[100:])
	s := &super{
		version:   int(flags & 0xf),
		block:     int64(be.Uint32(b[4:])),
		sector:    int64(be.Uint16(b[102:])),
		agBlocks:  int64(be.Uint32(b[84:])),
		groups:    int64(be.Uint32(b[88:])),
		agLog:     uint(b[124]),
		logStart:  be.Uint64(b[48:]),
		logBlocks: int64(be.Uint32(b[96:])),
		free:      be.Uint64(b[144:]),
		uuid:      [16]byte(b[32:]),
		owner:     [16]byte(b[32:]),
		label:     string(bytes.ToValidUTF8(bytes.TrimRight(b[108:120], "\x00"), []byte("?"))),
	}
	more := be.Uint32(b[200:]) | be.Uint32(b[204:])
	if flags&versionMore == 0 {
		more = 0
	}
	s.lazy = more&moreLazyCount != 0
	incompat := uint32(0)
	switch s.version {
	case 5:
		s.ro, incompat = be.Uint32(b[212:]), be.Uint32(b[216:])
		if incompat&incompatUUID != 0 {
			copy(s.owner[:], b[248:])
		}
		if s.sector != int64(len(b)) || !sumOK(b, 224) {
			return nil, unsafe("superblock has a wrong checksum")
		}
	case 4:
	default:
		return nil, unsafe("version %d is not 4 or 5", s.version)
	}
	switch {
	case flags&^versionKnown != 0 || flags&versionDirV2 == 0:
		return nil, unsafe("feature bits %#x are not all known", flags)
	case more&^moreKnown != 0:
		return nil, unsafe("more feature bits %#x are not all known", more)
	case s.ro&^roKnown != 0:
		return nil, unsafe("read-only compatible feature bits %#x are not all known", s.ro)
	case incompat&^incompatKnown != 0:
		return nil, unsafe("incompatible feature bits %#x are not all known", incompat)
	case incompat&incompatRepair != 0:
		return nil, unsafe("it says that it needs xfs_repair")
	case b[126] != 0:
		return nil, unsafe("it is still being made")
	case be.Uint64(b[16:]) != 0 || be.Uint64(b[24:]) != 0:
		return nil, unsafe("it has a realtime device")
	}
	return s, s.check(b, size)
}

// check holds the numbers of the superblock b against each other.
func (s *super) check(b []byte, size int64) error {
	blocks := binary.BigEndian.Uint64(b[8:])
	power := func(n int64, log uint8, lo, hi int64) bool {
		return n >= lo && n <= hi && bits.OnesCount64(uint64(n)) == 1 && bits.Len64(uint64(n)) == int(log)+1
	}
	switch {
	case !power(s.block, b[120], 512, 65536):
		return unsafe("block size %d is none", s.block)
	case !power(s.sector, b[121], 512, 32768) || s.sector > s.block:
		return unsafe("sector size %d is none", s.sector)
	case s.agBlocks < 64 || s.agBlocks*s.block > 1<<40 || s.agBlocks*s.block < 4*s.sector:
		return unsafe("allocation groups of %d blocks", s.agBlocks)
	case bits.Len64(uint64(s.agBlocks-1)) != int(s.agLog):
		return unsafe("%d blocks in a group take %d bits", s.agBlocks, s.agLog)
	case blocks == 0 || blocks > uint64(size/s.block):
		return unsafe("it has %d blocks of %d bytes, the volume %d bytes", blocks, s.block, size)
	}
	s.blocks = int64(blocks)
	last := s.blocks - (s.groups-1)*s.agBlocks
	if s.groups < 1 || last < 64 || last > s.agBlocks {
		return unsafe("%d blocks are not %d groups of %d", s.blocks, s.groups, s.agBlocks)
	}
	return nil
}

// groupBlocks is the number of blocks in one group; the last may be short.
func (s *super) groupBlocks(group int64) int64 {
	return min(s.agBlocks, s.blocks-group*s.agBlocks)
}

func unsafe(format string, args ...any) error { return fsmap.Unsafef(kind, format, args...) }

// uuidText is a UUID as blkid prints it.
func uuidText(u [16]byte) string {
	x := hex.EncodeToString(u[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// readAt fills b from off, or says of what it could not.
func readAt(r io.ReaderAt, b []byte, off int64, what string) error {
	if len(b) == 0 {
		return nil
	}
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read xfs %s at %d: %w", what, off, err)
}
