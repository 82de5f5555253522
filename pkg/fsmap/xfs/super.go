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

// Super is what the superblock in the first sector says.
type Super struct {
	Version     int   // 4, or 5: with checksums and owners
	Block       int64 // bytes
	Sector      int64 // bytes; each header of a group has one
	Blocks      int64 // of the whole data device
	GroupBlocks int64 // of all groups but the last
	Groups      int64
	GroupLog    uint     // bits of a block's number within its group
	Inode       int64    // bytes
	InodeLog    uint     // bits of an inode's number within its block
	DirBlock    int64    // bytes
	Root        uint64   // inode
	Owner       [16]byte // the UUID that metadata carries
	ROCompat    uint32   // feature bits
	Incompat    uint32   // feature bits

	logStart  uint64
	logBlocks int64
	lazy      bool
	free      uint64 // blocks
	uuid      [16]byte
	label     string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum of b, which is to be, little-endian, at off within it.
func Sum(b []byte, off int) uint32 {
	sum := crc32.Update(0, castagnoli, b[:off])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[off+4:])
}

// SumOK tells whether b holds its checksum at off.
func SumOK(b []byte, off int) bool {
	return Sum(b, off) == binary.LittleEndian.Uint32(b[off:])
}

// ReadSuper reads the superblock of the filesystem on a volume of size bytes. It
// refuses, with an [fsmap.UnsafeError], what it does not know.
func ReadSuper(r io.ReaderAt, size int64) (*Super, error) {
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
	s := &Super{
		Version:     int(flags & 0xf),
		Block:       int64(be.Uint32(b[4:])),
		Sector:      int64(be.Uint16(b[102:])),
		GroupBlocks: int64(be.Uint32(b[84:])),
		Groups:      int64(be.Uint32(b[88:])),
		GroupLog:    uint(b[124]),
		Inode:       int64(be.Uint16(b[104:])), InodeLog: uint(b[123]), DirBlock: int64(be.Uint32(b[4:])) << (b[192] & 15),
		Root:      be.Uint64(b[56:]),
		logStart:  be.Uint64(b[48:]),
		logBlocks: int64(be.Uint32(b[96:])),
		free:      be.Uint64(b[144:]),
		uuid:      [16]byte(b[32:]),
		Owner:     [16]byte(b[32:]),
		label:     string(bytes.ToValidUTF8(bytes.TrimRight(b[108:120], "\x00"), []byte("?"))),
	}
	more := be.Uint32(b[200:]) | be.Uint32(b[204:])
	if flags&versionMore == 0 {
		more = 0
	}
	s.lazy = more&moreLazyCount != 0
	switch s.Version {
	case 5:
		s.ROCompat, s.Incompat = be.Uint32(b[212:]), be.Uint32(b[216:])
		if s.Incompat&incompatUUID != 0 {
			copy(s.Owner[:], b[248:])
		}
		if s.Sector != int64(len(b)) || !SumOK(b, 224) {
			return nil, unsafe("superblock has a wrong checksum")
		}
	case 4:
	default:
		return nil, unsafe("version %d is not 4 or 5", s.Version)
	}
	switch {
	case flags&^versionKnown != 0 || flags&versionDirV2 == 0:
		return nil, unsafe("feature bits %#x are not all known", flags)
	case more&^moreKnown != 0:
		return nil, unsafe("more feature bits %#x are not all known", more)
	case s.ROCompat&^roKnown != 0:
		return nil, unsafe("read-only compatible feature bits %#x are not all known", s.ROCompat)
	case s.Incompat&^incompatKnown != 0:
		return nil, unsafe("incompatible feature bits %#x are not all known", s.Incompat)
	case s.Incompat&incompatRepair != 0:
		return nil, unsafe("it says that it needs xfs_repair")
	case b[126] != 0:
		return nil, unsafe("it is still being made")
	case be.Uint64(b[16:]) != 0 || be.Uint64(b[24:]) != 0:
		return nil, unsafe("it has a realtime device")
	}
	return s, s.check(b, size)
}

// check holds the numbers of the superblock b against each other.
func (s *Super) check(b []byte, size int64) error {
	blocks := binary.BigEndian.Uint64(b[8:])
	power := func(n int64, log uint8, lo, hi int64) bool {
		return n >= lo && n <= hi && bits.OnesCount64(uint64(n)) == 1 && bits.Len64(uint64(n)) == int(log)+1
	}
	switch {
	case !power(s.Block, b[120], 512, 65536):
		return unsafe("block size %d is none", s.Block)
	case !power(s.Sector, b[121], 512, 32768) || s.Sector > s.Block:
		return unsafe("sector size %d is none", s.Sector)
	case s.InodeLog > 8 || s.Inode < 256 || s.Inode > 2048 || s.Inode<<s.InodeLog != s.Block:
		return unsafe("inodes of %d bytes do not fill a block %d times", s.Inode, 1<<(s.InodeLog&15))
	case s.DirBlock < s.Block || s.DirBlock > 65536:
		return unsafe("directories have blocks of %d bytes", s.DirBlock)
	case s.GroupBlocks < 64 || s.GroupBlocks*s.Block > 1<<40 || s.GroupBlocks*s.Block < 4*s.Sector:
		return unsafe("allocation groups of %d blocks", s.GroupBlocks)
	case bits.Len64(uint64(s.GroupBlocks-1)) != int(s.GroupLog):
		return unsafe("%d blocks in a group take %d bits", s.GroupBlocks, s.GroupLog)
	case blocks == 0 || blocks > uint64(size/s.Block):
		return unsafe("it has %d blocks of %d bytes, the volume %d bytes", blocks, s.Block, size)
	}
	s.Blocks = int64(blocks)
	last := s.Blocks - (s.Groups-1)*s.GroupBlocks
	if s.Groups < 1 || last < 64 || last > s.GroupBlocks {
		return unsafe("%d blocks are not %d groups of %d", s.Blocks, s.Groups, s.GroupBlocks)
	}
	return nil
}

// Length is the number of blocks in one group; the last may be short.
func (s *Super) Length(group int64) int64 {
	return min(s.GroupBlocks, s.Blocks-group*s.GroupBlocks)
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
