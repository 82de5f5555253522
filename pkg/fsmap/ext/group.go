package ext

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Flags of a group, valid only where descriptors have checksums.
const (
	inodeUninit = 1 // nothing in the inode bitmap or table
	blockUninit = 2 // the block bitmap is not on the disk
)

// Group is the decoded descriptor of a block group. Places are block numbers.
type Group struct {
	Index       uint32
	BlockBitmap uint64
	InodeBitmap uint64
	InodeTable  uint64
	Free        uint64 // clusters
	FreeInodes  uint32
	Unused      uint32 // inodes at the end of the table that were never used
	Flags       uint16
	bitmapCsum  uint32
}

// Volume is an ext2, ext3 or ext4 filesystem whose superblock and group
// descriptors have been read and checked.
type Volume struct {
	Super
	r    io.ReaderAt
	raw  *raw
	desc []byte // all descriptors
}

// Open reads the superblock and the group descriptors of a volume of size
// bytes. Without a superblock the error is fsmap.ErrUnknown; one that cannot be
// trusted gives an *fsmap.UnsafeError.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	s, b, err := readSuper(r, size)
	if err != nil {
		return nil, err
	}
	v := &Volume{Super: *s, r: r, raw: b}
	if err := v.readDescriptors(); err != nil {
		return nil, err
	}
	for g := range v.Groups {
		if err := v.checkGroup(g); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// descPerBlock is how many descriptors a block holds.
func (s *Super) descPerBlock() uint64 { return uint64(s.Block / s.DescSize) }

// descBlocks is how many blocks the descriptors take.
func (s *Super) descBlocks() uint64 {
	return (uint64(s.Groups) + s.descPerBlock() - 1) / s.descPerBlock()
}

// First is the first block of group g.
func (s *Super) First(g uint32) uint64 { return s.FirstData + uint64(g)*s.BlocksPerGroup }

// Len is the number of blocks in group g: the last one may be short.
func (s *Super) Len(g uint32) uint64 { return min(s.BlocksPerGroup, s.Blocks-s.First(g)) }

// itableBlocks is the size of a group's inode table.
func (s *Super) itableBlocks() uint64 {
	return (uint64(s.InodesPerGroup)*uint64(s.InodeSize) + uint64(s.Block) - 1) / uint64(s.Block)
}

// hasSuper tells whether group g begins with a copy of the superblock.
func (s *Super) hasSuper(g uint32) bool {
	switch {
	case g == 0:
		return true
	case s.Compat&compatSparseSuper2 != 0:
		return g == s.backups[0] || g == s.backups[1]
	case g == 1 || s.ROCompat&roSparseSuper == 0:
		return true
	}
	for _, base := range []uint32{3, 5, 7} {
		n := uint64(base)
		for n < uint64(g) {
			n *= uint64(base)
		}
		if n == uint64(g) {
			return true
		}
	}
	return false
}

// superBlocks is how many blocks at the beginning of group g the superblock
// takes. In group 0 of the smallest blocks with bigalloc it is the second.
func (s *Super) superBlocks(g uint32) uint64 {
	switch {
	case !s.hasSuper(g):
		return 0
	case g == 0 && s.Block == superAt && s.FirstData == 0:
		return 2
	}
	return 1
}

// descIn is how many blocks of descriptors, and how many kept for more of
// them, follow the superblock of group g.
func (s *Super) descIn(g uint32) (used, reserved uint64) {
	per := s.descPerBlock()
	meta := s.Incompat&incompatMetaBG != 0
	if meta && uint64(g)/per >= s.firstMetaBG {
		if i := uint64(g) % per; i == 0 || i == 1 || i == per-1 {
			return 1, 0
		}
		return 0, 0
	}
	switch {
	case !s.hasSuper(g):
		return 0, 0
	case meta:
		return s.firstMetaBG, s.reservedGDT
	}
	return s.descBlocks(), s.reservedGDT
}

// descAt is where block i of the descriptors is.
func (s *Super) descAt(i uint64) uint64 {
	if s.Incompat&incompatMetaBG == 0 || i < s.firstMetaBG {
		return s.FirstData + s.superBlocks(0) + i
	}
	g := uint32(i * s.descPerBlock())
	return s.First(g) + s.superBlocks(g)
}

func (v *Volume) readDescriptors() error {
	blocks := v.descBlocks()
	buf := make([]byte, int64(blocks)*v.Block)
	for i := uint64(0); i < blocks; {
		at, n := v.descAt(i), uint64(1)
		for i+n < blocks && v.descAt(i+n) == at+n {
			n++
		}
		if at+n > v.Blocks {
			return v.unsafe("group descriptors at block %d are outside", at)
		}
		part := buf[int64(i)*v.Block : int64(i+n)*v.Block]
		if err := readAt(v.r, part, int64(at)*v.Block); err != nil {
			return fmt.Errorf("read group descriptors at block %d: %w", at, err)
		}
		i += n
	}
	v.desc = buf[:int64(v.Groups)*v.DescSize]
	return nil
}

// Group gives the descriptor of group g.
func (v *Volume) Group(g uint32) Group {
	return v.decodeGroup(g, v.desc[int64(g)*v.DescSize:][:v.DescSize])
}

func (s *Super) decodeGroup(g uint32, d []byte) Group {
	hi32 := func(at int) uint32 {
		if !s.has64() {
			return 0
		}
		return le32(d[at:])
	}
	hi16 := func(at int) uint32 {
		if !s.has64() {
			return 0
		}
		return uint32(le16(d[at:]))
	}
	x := Group{
		Index:       g,
		BlockBitmap: lohi(le32(d[0:]), hi32(0x20)),
		InodeBitmap: lohi(le32(d[4:]), hi32(0x24)),
		InodeTable:  lohi(le32(d[8:]), hi32(0x28)),
		Free:        uint64(le16(d[0xC:])) | uint64(hi16(0x2C))<<16,
		FreeInodes:  uint32(le16(d[0xE:])) | hi16(0x2E)<<16,
		bitmapCsum:  uint32(le16(d[0x18:])) | hi16(0x38)<<16,
	}
	if s.hasDescCsum() {
		x.Flags = le16(d[0x12:])
		x.Unused = uint32(le16(d[0x1C:])) | hi16(0x32)<<16
	}
	return x
}

// checkGroup verifies a descriptor's checksum, and that what it points to is
// where a driver would accept it.
func (v *Volume) checkGroup(g uint32) error {
	d := v.desc[int64(g)*v.DescSize:][:v.DescSize]
	if v.hasDescCsum() {
		if got, want := v.descCsum(g, d), le16(d[0x1E:]); got != want {
			return v.unsafe("descriptor of group %d has checksum %04x, should be %04x", g, want, got)
		}
	}
	low, high := v.FirstData, v.Blocks
	if v.Incompat&incompatFlexBG == 0 {
		low, high = v.First(g), v.First(g)+v.Len(g)
	}
	x := v.Group(g)
	for _, part := range []struct{ at, n uint64 }{{x.BlockBitmap, 1}, {x.InodeBitmap, 1}, {x.InodeTable, v.itableBlocks()}} {
		if part.at < low || part.at >= high || part.n > high-part.at {
			return v.unsafe("group %d has metadata at block %d, outside of %d to %d", g, part.at, low, high)
		}
	}
	used, reserved := v.descIn(g)
	if n := v.superBlocks(g) + used + reserved; n > v.Len(g) {
		return v.unsafe("group %d begins with %d blocks of metadata and has %d", g, n, v.Len(g))
	}
	return nil
}

// bytes is the place of n blocks from block at on.
func (s *Super) bytes(at, n uint64) extent.Range {
	return extent.Range{Off: int64(at) * s.Block, End: int64(at+n) * s.Block}
}
