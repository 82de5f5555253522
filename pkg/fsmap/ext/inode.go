package ext

import (
	"fmt"
	"slices"
)

// Flags of an inode.
const (
	FlagEncrypt = 0x800
	FlagVerity  = 0x100000
	FlagExtents = 0x80000
	FlagInline  = 0x10000000
)

// Types of a file, the upper bits of Inode.Mode.
const (
	ModeType = 0xF000
	ModeDir  = 0x4000
	ModeFile = 0x8000
)

// Inode is a file as it is on the disk.
type Inode struct {
	Number uint32
	Off    int64  // of Raw on the volume, bytes
	Raw    []byte // as long as the filesystem's inodes are
	Mode   uint16
	Links  uint16
	Flags  uint32
	Size   uint64 // bytes
	Sector uint64 // what the block count field says, with huge_file perhaps in blocks
	ACL    uint64 // block of extended attributes, 0 for none

	seed uint32 // of checksums over what belongs to this inode
}

// Inode reads inode n and verifies its checksum.
func (v *Volume) Inode(n uint32) (*Inode, error) {
	if n == 0 || n > v.Inodes {
		return nil, v.unsafe("inode %d of %d", n, v.Inodes)
	}
	x := v.Group((n - 1) / v.InodesPerGroup)
	off := int64(x.InodeTable)*v.Block + int64((n-1)%v.InodesPerGroup)*v.InodeSize
	in := &Inode{Number: n, Off: off, Raw: make([]byte, v.InodeSize)}
	if err := readAt(v.r, in.Raw, off); err != nil {
		return nil, fmt.Errorf("read inode %d at %d: %w", n, off, err)
	}
	b := in.Raw
	in.Mode, in.Links, in.Flags = le16(b), le16(b[0x1A:]), le32(b[0x20:])
	in.Size = lohi(le32(b[4:]), le32(b[0x6C:]))
	in.Sector = lohi(le32(b[0x1C:]), uint32(le16(b[0x74:])))
	in.ACL = lohi(le32(b[0x68:]), uint32(le16(b[0x76:])))
	if v.HasCsum() {
		in.seed = crc32c(crc32c(v.seed, le(n)), b[0x64:0x68])
		if lo, hi, wide := v.inodeCsum(in); lo != le16(b[0x7C:]) || wide && hi != le16(b[0x82:]) {
			return nil, v.unsafe("inode %d has a wrong checksum", n)
		}
	}
	return in, nil
}

// inodeCsum is the checksum that belongs to an inode: its lower half at 0x7C,
// and where the inode is wide enough its upper half at 0x82.
func (v *Volume) inodeCsum(in *Inode) (lo, hi uint16, wide bool) {
	b := slices.Clone(in.Raw)
	clear(b[0x7C:0x7E])
	if len(b) > 128 && le16(b[0x80:]) >= 4 {
		wide = true
		clear(b[0x82:0x84])
	}
	crc := crc32c(in.seed, b)
	return uint16(crc), uint16(crc >> 16), wide
}

// Run is blocks of a file that follow each other both in it and on the disk.
type Run struct {
	Logical, Block, Count uint64
}

// Blocks is where the content of a file is.
type Blocks struct {
	Data []Run    // in the order of the file, holes left out
	Meta []uint64 // blocks that hold the map itself

	seen map[uint64]bool // Meta again: each block is read once
}

// maxRuns bounds the memory for the map of one file.
const maxRuns = 1 << 19

// Layout reads the block map of a file: extents, or the indirect blocks of
// ext2. A fast symbolic link and inline data have none, and must not be asked.
func (v *Volume) Layout(in *Inode) (*Blocks, error) {
	b := &Blocks{seen: map[uint64]bool{}}
	if in.Flags&FlagExtents != 0 {
		if err := v.extents(in, in.Raw[0x28:0x64], 0, -1, b); err != nil {
			return nil, err
		}
		return b, nil
	}
	logical := uint64(0)
	for i := range uint64(12) {
		if err := v.indirect(in, le32(in.Raw[0x28+4*i:]), 0, &logical, b); err != nil {
			return nil, err
		}
	}
	for depth := 1; depth <= 3; depth++ {
		if err := v.indirect(in, le32(in.Raw[0x28+4*(11+depth):]), depth, &logical, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// push adds a run behind the others.
func (v *Volume) push(in *Inode, b *Blocks, r Run) error {
	if r.Block <= v.FirstData || r.Block >= v.Blocks || r.Count > v.Blocks-r.Block {
		return v.unsafe("inode %d has %d blocks at %d of %d", in.Number, r.Count, r.Block, v.Blocks)
	}
	if n := len(b.Data); n > 0 {
		last := &b.Data[n-1]
		if r.Logical < last.Logical+last.Count {
			return v.unsafe("the block map of inode %d is out of order", in.Number)
		}
		if last.Logical+last.Count == r.Logical && last.Block+last.Count == r.Block {
			last.Count += r.Count
			return nil
		}
	}
	if len(b.Data) == maxRuns {
		return v.unsafe("inode %d is in more than %d pieces", in.Number, maxRuns)
	}
	b.Data = append(b.Data, r)
	return nil
}

// mapBlock reads a block of a block map.
func (v *Volume) mapBlock(in *Inode, at uint64, b *Blocks) ([]byte, error) {
	if at <= v.FirstData || at >= v.Blocks {
		return nil, v.unsafe("inode %d has its block map at %d of %d", in.Number, at, v.Blocks)
	}
	if b.seen[at] || len(b.Meta) == maxRuns {
		return nil, v.unsafe("the block map of inode %d is too large, or has block %d twice", in.Number, at)
	}
	b.seen[at] = true
	b.Meta = append(b.Meta, at)
	p := make([]byte, v.Block)
	if err := readAt(v.r, p, int64(at)*v.Block); err != nil {
		return nil, fmt.Errorf("read block map of inode %d at block %d: %w", in.Number, at, err)
	}
	return p, nil
}

// extents reads a node of an extent tree that begins with logical block from.
// Nodes get less deep on the way down, from any depth (-1) at the root on.
func (v *Volume) extents(in *Inode, p []byte, from uint64, depth int, b *Blocks) error {
	n, limit, deep := int(le16(p[2:])), int(le16(p[4:])), int(le16(p[6:]))
	if le16(p) != 0xF30A || n > limit || 12+12*limit > len(p) || deep > 5 || depth >= 0 && deep != depth {
		return v.unsafe("inode %d has a bad extent header", in.Number)
	}
	if depth >= 0 && v.HasCsum() {
		if len(p) < 12+12*limit+4 || crc32c(in.seed, p[:12+12*limit]) != le32(p[12+12*limit:]) {
			return v.unsafe("inode %d has an extent block with a wrong checksum", in.Number)
		}
	}
	for i := range n {
		e := p[12+12*i:][:12]
		logical := uint64(le32(e))
		if logical < from {
			return v.unsafe("the extents of inode %d are out of order", in.Number)
		}
		if deep == 0 {
			count := uint64(le16(e[4:]))
			if count > 32768 { // unwritten: allocated, and read as zeros
				count -= 32768
			}
			if count == 0 {
				return v.unsafe("inode %d has an empty extent", in.Number)
			}
			if err := v.push(in, b, Run{logical, lohi(le32(e[8:]), uint32(le16(e[6:]))), count}); err != nil {
				return err
			}
			from = logical + count
			continue
		}
		child, err := v.mapBlock(in, lohi(le32(e[4:]), uint32(le16(e[8:]))), b)
		if err == nil {
			err = v.extents(in, child, logical, deep-1, b)
		}
		if err != nil {
			return err
		}
		from = logical + 1
	}
	return nil
}

// indirect reads what block at maps: itself with depth 0, else that many levels
// of blocks of block numbers. The next logical block is counted along.
func (v *Volume) indirect(in *Inode, at uint32, depth int, logical *uint64, b *Blocks) error {
	per := uint64(v.Block / 4)
	if at == 0 { // a hole
		n := uint64(1)
		for range depth {
			n *= per
		}
		*logical += n
		return nil
	}
	if depth == 0 {
		err := v.push(in, b, Run{*logical, uint64(at), 1})
		*logical++
		return err
	}
	p, err := v.mapBlock(in, uint64(at), b)
	if err != nil {
		return err
	}
	for i := range per {
		if err := v.indirect(in, le32(p[4*i:]), depth-1, logical, b); err != nil {
			return err
		}
	}
	return nil
}
