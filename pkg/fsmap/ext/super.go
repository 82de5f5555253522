package ext

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// Feature bits that matter here. The comments name the rest of those that are
// understood: they do not bear on the allocation of blocks.
const (
	CompatJournal      = 0x4
	compatLazyBG       = 0x40
	compatExclude      = 0x80 | 0x100
	compatSparseSuper2 = 0x200
	CompatFastCommit   = 0x400

	incompatFiletype   = 0x2
	IncompatRecover    = 0x4
	incompatJournalDev = 0x8
	incompatMetaBG     = 0x10
	incompat64bit      = 0x80
	incompatMMP        = 0x100
	incompatFlexBG     = 0x200
	IncompatEAInode    = 0x400
	incompatCsumSeed   = 0x2000
	IncompatInlineData = 0x8000
	IncompatEncrypt    = 0x10000
	incompatCasefold   = 0x20000
	// extents, largedir
	incompatKnown = incompatFiletype | IncompatRecover | incompatMetaBG | 0x40 | incompat64bit | incompatMMP | incompatFlexBG |
		IncompatEAInode | incompatCsumSeed | 0x4000 | IncompatInlineData | IncompatEncrypt | incompatCasefold

	roSparseSuper   = 0x1
	roHugeFile      = 0x8
	roGDTCsum       = 0x10
	ROQuota         = 0x100
	ROBigalloc      = 0x200
	ROMetadataCsum  = 0x400
	roProject       = 0x2000
	ROSharedBlocks  = 0x4000
	ROVerity        = 0x8000
	ROOrphanPresent = 0x10000
	// large_file, btree_dir, dir_nlink, extra_isize, readonly
	roKnown = roSparseSuper | 0x2 | 0x4 | roHugeFile | roGDTCsum | 0x20 | 0x40 | ROQuota | ROBigalloc |
		ROMetadataCsum | 0x1000 | roProject | ROSharedBlocks | ROVerity | ROOrphanPresent
)

const (
	superAt   = 1024 // offset of the superblock, and its size
	magic     = 0xEF53
	stateOK   = 1
	maxGroups = 64 << 20 // bytes of group descriptors that are read into memory
)

// Super is the decoded superblock. Blocks are counted in units of Block bytes.
type Super struct {
	Kind             string // ext2, ext3 or ext4, as blkid tells them apart
	Label, UUID      string
	Block            int64  // bytes
	Blocks           uint64 // of the whole filesystem
	FirstData        uint64 // first block of group 0
	Ratio            uint64 // blocks per cluster, the unit of allocation
	BlocksPerGroup   uint64
	ClustersPerGroup uint64
	Groups           uint32
	Inodes           uint32
	InodesPerGroup   uint32
	InodeSize        int64
	FirstInode       uint32 // that is not reserved
	DescSize         int64
	State            uint16
	Compat           uint32
	Incompat         uint32
	ROCompat         uint32
	JournalInode     uint32
	LastOrphan       uint32

	firstMetaBG uint64
	reservedGDT uint64
	backups     [2]uint32 // groups with superblock copies, with sparse_super2
	mmpBlock    uint64
	seed        uint32 // of metadata checksums
	uuid        [16]byte
}

// raw is the superblock as it is on the disk.
type raw [superAt]byte

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// lohi puts a number together from the two fields that hold it.
func lohi(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }

// kindOf tells ext2, ext3 and ext4 apart as blkid does: by what a driver of
// that name would not understand.
func kindOf(compat, incompat, ro uint32) string {
	switch {
	case incompat&incompatJournalDev != 0:
		return "jbd"
	case ro&^(roSparseSuper|0x2|0x4) != 0 || incompat&^(incompatFiletype|IncompatRecover|incompatMetaBG) != 0:
		return "ext4"
	case compat&CompatJournal != 0:
		return "ext3"
	}
	return "ext2"
}

// readSuper reads and checks the superblock of a volume of size bytes.
func readSuper(r io.ReaderAt, size int64) (*Super, *raw, error) {
	if size < 2*superAt {
		return nil, nil, fsmap.ErrUnknown
	}
	var b raw
	if err := readAt(r, b[:], superAt); err != nil {
		return nil, nil, fmt.Errorf("read superblock at %d: %w", superAt, err)
	}
	if le16(b[0x38:]) != magic {
		return nil, nil, fsmap.ErrUnknown
	}
	s := &Super{
		Compat: le32(b[0x5C:]), Incompat: le32(b[0x60:]), ROCompat: le32(b[0x64:]),
		State:  le16(b[0x3A:]),
		Inodes: le32(b[0:]), InodesPerGroup: le32(b[0x28:]), InodeSize: 128, FirstInode: 11,
		FirstData:      uint64(le32(b[0x14:])),
		BlocksPerGroup: uint64(le32(b[0x20:])),
		JournalInode:   le32(b[0xE0:]), LastOrphan: le32(b[0xE8:]),
		DescSize:    32,
		reservedGDT: uint64(le16(b[0xCE:])),
		backups:     [2]uint32{le32(b[0x24C:]), le32(b[0x250:])},
		mmpBlock:    lohi(le32(b[0x168:]), le32(b[0x16C:])),
		uuid:        [16]byte(b[0x68:]),
	}
	s.Kind = kindOf(s.Compat, s.Incompat, s.ROCompat)
	s.Label = text(b[0x78:0x88])
	if s.uuid != [16]byte{} {
		s.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", s.uuid[:4], s.uuid[4:6], s.uuid[6:8], s.uuid[8:10], s.uuid[10:])
	}
	if le32(b[0x4C:]) > 0 { // revision 1 and its dynamic sizes
		s.InodeSize, s.FirstInode = int64(le16(b[0x58:])), le32(b[0x54:])
	}
	if s.has64() {
		s.Blocks = lohi(le32(b[4:]), le32(b[0x150:]))
		s.DescSize = int64(le16(b[0xFE:]))
	} else {
		s.Blocks = uint64(le32(b[4:]))
	}
	if s.Incompat&incompatMetaBG != 0 {
		s.firstMetaBG = uint64(le32(b[0x104:]))
	}
	if err := s.features(b[:]); err != nil {
		return nil, nil, err
	}
	return s, &b, s.geometry(b[:], size)
}

func (s *Super) has64() bool { return s.Incompat&incompat64bit != 0 }

// HasCsum tells whether all metadata has CRC-32C checksums.
func (s *Super) HasCsum() bool { return s.ROCompat&ROMetadataCsum != 0 }

// hasDescCsum tells whether group descriptors have checksums: only then do
// their flags count.
func (s *Super) hasDescCsum() bool { return s.ROCompat&(roGDTCsum|ROMetadataCsum) != 0 }

func (s *Super) unsafe(format string, args ...any) error {
	return fsmap.Unsafef(s.Kind, format, args...)
}

// features refuses what is not understood, and verifies the checksum.
func (s *Super) features(b []byte) error {
	switch {
	case s.Incompat&incompatJournalDev != 0:
		return s.unsafe("it is an external journal")
	case s.Incompat&^incompatKnown != 0:
		return s.unsafe("unknown incompatible features %#x", s.Incompat&^incompatKnown)
	case s.ROCompat&^roKnown != 0:
		return s.unsafe("unknown read-only features %#x", s.ROCompat&^roKnown)
	case s.Compat&(compatLazyBG|compatExclude) != 0:
		return s.unsafe("features lazy_bg or snapshots, %#x", s.Compat)
	}
	if !s.HasCsum() {
		return nil
	}
	if b[0x175] != 1 {
		return s.unsafe("unknown kind of checksum %d", b[0x175])
	}
	if got, want := crc32c(^uint32(0), b[:0x3FC]), le32(b[0x3FC:]); got != want {
		return s.unsafe("superblock has checksum %08x, should be %08x", want, got)
	}
	s.seed = crc32c(^uint32(0), s.uuid[:])
	if s.Incompat&incompatCsumSeed != 0 {
		s.seed = le32(b[0x270:])
	}
	return nil
}

// geometry derives the sizes, and refuses those that no driver would take.
func (s *Super) geometry(b []byte, size int64) error {
	block, cluster := le32(b[0x18:]), le32(b[0x1C:])
	if block > 6 {
		return s.unsafe("block size 1024<<%d", block)
	}
	s.Block, s.Ratio = 1024<<block, 1
	s.ClustersPerGroup = s.BlocksPerGroup
	if s.ROCompat&ROBigalloc != 0 {
		if cluster < block || cluster > 19 {
			return s.unsafe("cluster size 1024<<%d", cluster)
		}
		s.Ratio = 1 << (cluster - block)
		s.ClustersPerGroup = uint64(le32(b[0x24:]))
	} else if cluster != block {
		return s.unsafe("fragments of 1024<<%d in blocks of 1024<<%d", cluster, block)
	}
	bits := uint64(s.Block) * 8
	first := uint64(0)
	if s.Block == 1024 && s.Ratio == 1 {
		first = 1
	}
	perBlock := uint32(s.Block / max(s.InodeSize, 1))
	switch {
	case s.InodeSize < 128 || s.InodeSize > s.Block || s.InodeSize&(s.InodeSize-1) != 0:
		return s.unsafe("inode size %d", s.InodeSize)
	case s.DescSize < 32 || s.has64() && s.DescSize < 64 || s.DescSize > 1024 || s.DescSize&(s.DescSize-1) != 0:
		return s.unsafe("group descriptor size %d", s.DescSize)
	case s.ClustersPerGroup == 0 || s.ClustersPerGroup > bits || s.ClustersPerGroup%8 != 0 ||
		s.BlocksPerGroup != s.ClustersPerGroup*s.Ratio:
		return s.unsafe("%d blocks and %d clusters per group", s.BlocksPerGroup, s.ClustersPerGroup)
	case s.InodesPerGroup < perBlock || uint64(s.InodesPerGroup) > bits:
		return s.unsafe("%d inodes per group", s.InodesPerGroup)
	case s.FirstData != first:
		return s.unsafe("first data block %d", s.FirstData)
	case s.Blocks <= s.FirstData || s.Blocks > uint64(size)/uint64(s.Block):
		return s.unsafe("%d blocks of %d bytes on a volume of %d bytes", s.Blocks, s.Block, size)
	case s.reservedGDT > uint64(s.Block)/4:
		return s.unsafe("%d reserved descriptor blocks", s.reservedGDT)
	}
	groups := (s.Blocks - s.FirstData + s.BlocksPerGroup - 1) / s.BlocksPerGroup
	if groups*uint64(s.DescSize) > maxGroups {
		return s.unsafe("%d block groups are more than fit", groups)
	}
	s.Groups = uint32(groups)
	if groups*uint64(s.InodesPerGroup) != uint64(s.Inodes) {
		return s.unsafe("%d inodes in %d groups of %d", s.Inodes, groups, s.InodesPerGroup)
	}
	if s.firstMetaBG > s.descBlocks() {
		return s.unsafe("first meta group %d of %d", s.firstMetaBG, s.descBlocks())
	}
	return nil
}

// text is what a fixed field holds up to its first NUL, without the blanks
// behind, in UTF-8.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.TrimRight(strings.ToValidUTF8(string(b), "\uFFFD"), " \t\n")
}

// readAt fills b. Some readers report the end of the volume along with the
// last bytes.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
