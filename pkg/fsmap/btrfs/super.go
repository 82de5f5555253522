package btrfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

const (
	superAt   = 64 << 10
	superSize = 4096
	magic     = "_BHRfS_M"
	maxArray  = 2048 // bytes of the system chunk array
)

// mirrors are where copies of the superblock are, on devices that reach there.
// The driver mounts by the first only.
var mirrors = [...]int64{superAt, 64 << 20, 256 << 30}

// Features, by the bits of three fields.
const (
	incompatBackref      = 1 << 0
	incompatMetadataUUID = 1 << 10

	// Up to the larger node, extended refs, raid56, skinny metadata, no holes,
	// metadata UUID and raid1c34; and simple quotas. All of these leave the
	// extent items' keys, chunks and tree blocks as they are.
	incompatKnown = 1<<12 - 1 | 1<<16

	compatROBlockGroupTree = 1 << 3
	compatROKnown          = 1<<4 - 1 // free space tree, and its being valid; verity

	flagsKnown = 3 // written, and relocated: those of any tree block
)

// names tells what is refused, by incompatible feature.
var names = [...]struct {
	bit  uint64
	name string
}{
	{1 << 12, "zones"},
	{1 << 13, "the second extent tree format"},
	{1 << 14, "a raid stripe tree"},
	{1 << 17, "a remap tree"},
}

// super is what matters of the superblock.
type super struct {
	uuid       string
	label      string
	fsid       [16]byte // as tree blocks have it
	devID      uint64
	total      int64 // bytes of the device
	used       uint64
	generation uint64
	nodeSize   int64
	sectorSize int64
	sum        sum
	root       ptr
	chunkRoot  ptr
	log        ptr // at 0 without a log
	groupTree  bool
	array      []byte
}

func readSuper(r io.ReaderAt, size int64) (*super, error) {
	if size < superAt+superSize {
		return nil, fsmap.ErrUnknown
	}
	b := make([]byte, superSize)
	if _, err := r.ReadAt(b, superAt); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read superblock at %d: %w", superAt, err)
	}
	if string(b[0x40:0x48]) != magic {
		return nil, fsmap.ErrUnknown
	}
	return parseSuper(b, size)
}

// parseSuper checks everything that the rest relies on.
func parseSuper(b []byte, size int64) (*super, error) {
	le := binary.LittleEndian
	s := &super{
		label:      text(b[0x12b:0x22b]),
		uuid:       uuid(b[0x20:0x30]),
		fsid:       [16]byte(b[0x20:0x30]),
		generation: le.Uint64(b[0x48:]),
		used:       le.Uint64(b[0x78:]),
		devID:      le.Uint64(b[0xc9:]),
		groupTree:  le.Uint64(b[0xb4:])&compatROBlockGroupTree != 0,
	}
	var err error
	if s.sum, err = sumOf(le.Uint16(b[0xc4:])); err != nil {
		return nil, err
	}
	if !s.sum.good(b) {
		return nil, unsafef("the superblock's checksum is wrong")
	}
	if err := features(b); err != nil {
		return nil, err
	}
	if n := le.Uint64(b[0x88:]); n != 1 {
		return nil, unsafef("it spans %d devices", n)
	}
	if at := le.Uint64(b[0x30:]); at != superAt {
		return nil, unsafef("the superblock says it is at %d", at)
	}
	if le.Uint64(b[0xbc:])&incompatMetadataUUID != 0 {
		s.fsid = [16]byte(b[0x23b:0x24b])
	}
	if !bytes.Equal(b[0xc9+82:0xc9+98], s.fsid[:]) || s.devID == 0 {
		return nil, unsafef("the device is not one of this filesystem's own")
	}

	total := le.Uint64(b[0xc9+8:])
	if total > uint64(size) {
		return nil, unsafef("it has %d bytes, of which only %d are here", total, size)
	}
	s.total = int64(total)
	sector, node := le.Uint32(b[0x90:]), le.Uint32(b[0x94:])
	if !power(sector) || !power(node) || sector < 4096 || node < sector || node > 64<<10 || le.Uint32(b[0x98:]) != node {
		return nil, unsafef("sectors of %d bytes, tree blocks of %d", sector, node)
	}
	s.sectorSize, s.nodeSize = int64(sector), int64(node)
	if s.total < reserved {
		return nil, unsafef("it has only %d bytes", s.total)
	}

	n := le.Uint32(b[0xa0:])
	if n > maxArray {
		return nil, unsafef("a system chunk array of %d bytes", n)
	}
	s.array = b[0x32b : 0x32b+n]
	for _, p := range []struct {
		to         *ptr
		at         int
		level      byte
		generation uint64
		owner      uint64
	}{
		{&s.root, 0x50, b[0xc6], s.generation, rootTree},
		{&s.chunkRoot, 0x58, b[0xc7], le.Uint64(b[0xa4:]), chunkTree},
		// A log belongs to the transaction that was never committed.
		{&s.log, 0x60, b[0xc8], s.generation + 1, logTree},
	} {
		if *p.to, err = root(le.Uint64(b[p.at:]), p.generation, p.level, p.owner); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func features(b []byte) error {
	le := binary.LittleEndian
	if f := le.Uint64(b[0x38:]) &^ flagsKnown; f != 0 {
		// A seed, a dump of metadata alone, one in conversion, or with errors.
		return unsafef("it is in a special state, superblock flags %#x", f)
	}
	in := le.Uint64(b[0xbc:])
	for _, n := range names {
		if in&n.bit != 0 {
			return unsafef("it has %s", n.name)
		}
	}
	if f := in &^ incompatKnown; f != 0 {
		return unsafef("it has unknown features, incompatible %#x", f)
	}
	if in&incompatBackref == 0 {
		return unsafef("it has extent items of the oldest kind")
	}
	if f := le.Uint64(b[0xb4:]) &^ compatROKnown; f != 0 {
		return unsafef("it has unknown features, compatible for reading %#x", f)
	}
	return nil
}

// root is a pointer to a tree's root, whose first key nothing tells.
func root(at, generation uint64, level byte, owner uint64) (ptr, error) {
	if level > maxLevel || at > math.MaxInt64 {
		return ptr{}, unsafef("tree %d has its root at %d, level %d", int64(owner), at, level)
	}
	return ptr{at: int64(at), generation: generation, level: level, owner: owner, limit: lastKey, root: true}, nil
}

func power(n uint32) bool { return n&(n-1) == 0 }

// text is a string that ends with the first NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func uuid(b []byte) string {
	x := hex.EncodeToString(b)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
