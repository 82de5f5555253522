package ext

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Edit is changes to a volume that are kept in memory, as the blocks that would
// be different. The volume must be clean, and without bigalloc, quota and
// shared blocks: that is for the caller to see to.
type Edit struct {
	v      *Volume
	blocks map[uint64][]byte // that differ
	desc   []byte            // all group descriptors
	free   map[uint32]counts // what groups have more of
	freed  []extent.Range
}

// counts are of blocks and inodes.
type counts struct{ blocks, inodes uint32 }

// maxEdit bounds the memory for changed blocks, in bytes.
const maxEdit = 128 << 20

var put16, put32 = binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32

// Edit begins with no changes.
func (v *Volume) Edit() *Edit {
	return &Edit{v: v, blocks: map[uint64][]byte{}, desc: slices.Clone(v.desc), free: map[uint32]counts{}}
}

// block is a block that is about to be changed.
func (e *Edit) block(at uint64) ([]byte, error) {
	if b := e.blocks[at]; b != nil {
		return b, nil
	}
	b := make([]byte, e.v.Block)
	if int64(len(e.blocks)+1)*e.v.Block > maxEdit {
		return nil, e.v.unsafe("more than %d bytes of metadata would change", maxEdit)
	}
	if err := readAt(e.v.r, b, int64(at)*e.v.Block); err != nil {
		return nil, fmt.Errorf("read block %d: %w", at, err)
	}
	e.blocks[at] = b
	return b, nil
}

// Truncate makes a file empty and frees all its blocks but extended attributes.
func (e *Edit) Truncate(in *Inode) error {
	if err := e.freeContent(in); err != nil {
		return err
	}
	b := in.Raw
	put32(b[4:], 0)
	put32(b[0x6C:], 0)
	clear(b[0x28:0x64])
	if in.Flags&FlagExtents != 0 {
		copy(b[0x28:], []byte{0x0A, 0xF3, 0, 0, 4, 0, 0, 0}) // no entries of 4
	}
	sectors := uint32(0)
	if in.ACL != 0 {
		sectors = uint32(e.v.Block / 512)
	}
	put32(b[0x1C:], sectors)
	put16(b[0x74:], 0)
	const hugeFile, beyondEOF = 0x40000, 0x400000
	put32(b[0x20:], in.Flags&^(hugeFile|beyondEOF))
	return e.putInode(in)
}

// Free makes an inode one that is not in use, and frees all its blocks.
func (e *Edit) Free(in *Inode) error {
	if err := e.freeContent(in); err != nil {
		return err
	}
	if err := e.dropACL(in); err != nil {
		return err
	}
	g, i := (in.Number-1)/e.v.InodesPerGroup, (in.Number-1)%e.v.InodesPerGroup
	x := e.v.Group(g)
	if in.Number < e.v.FirstInode || x.Flags&inodeUninit != 0 || i >= e.v.InodesPerGroup-x.Unused {
		return e.v.unsafe("inode %d is in use, and should not", in.Number)
	}
	bitmap, err := e.block(x.InodeBitmap)
	if err != nil {
		return err
	}
	if bitmap[i/8]>>(i%8)&1 == 0 {
		return e.v.unsafe("inode %d is in use, and marked as free", in.Number)
	}
	bitmap[i/8] &^= 1 << (i % 8)
	c := e.free[g]
	c.inodes++
	e.free[g] = c

	generation := le32(in.Raw[0x64:])
	extra := uint16(0)
	if len(in.Raw) > 128 {
		extra = le16(in.Raw[0x80:])
	}
	clear(in.Raw)
	put32(in.Raw[0x14:], le32(e.v.raw[0x30:])) // deleted when the superblock was last written
	put32(in.Raw[0x64:], generation)
	if extra != 0 {
		put16(in.Raw[0x80:], extra)
	}
	return e.putInode(in)
}

// putInode puts the changed bytes of an inode in place.
func (e *Edit) putInode(in *Inode) error {
	if e.v.HasCsum() {
		lo, hi, wide := e.v.inodeCsum(in)
		put16(in.Raw[0x7C:], lo)
		if wide {
			put16(in.Raw[0x82:], hi)
		}
	}
	b, err := e.block(uint64(in.Off / e.v.Block))
	if err == nil {
		copy(b[in.Off%e.v.Block:], in.Raw)
	}
	return err
}

// freeContent frees the blocks of a file's content and of its block map.
func (e *Edit) freeContent(in *Inode) error {
	blocks, err := e.v.Layout(in)
	if err != nil {
		return err
	}
	for _, r := range blocks.Data {
		if err := e.freeBlocks(in, r.Block, r.Count); err != nil {
			return err
		}
	}
	for _, at := range blocks.Meta {
		if err := e.freeBlocks(in, at, 1); err != nil {
			return err
		}
	}
	return nil
}

// freeBlocks clears n bits from block at on, which may lie in several groups.
func (e *Edit) freeBlocks(in *Inode, at, n uint64) error {
	v := e.v
	e.freed = append(e.freed, v.bytes(at, n))
	for ; n > 0; at, n = at+1, n-1 {
		g := uint32((at - v.FirstData) / v.BlocksPerGroup)
		bitmap, err := e.bitmap(g)
		if err != nil {
			return err
		}
		i := at - v.First(g)
		if bitmap[i/8]>>(i%8)&1 == 0 {
			return v.unsafe("block %d of inode %d is marked as free, or belongs to another file too", at, in.Number)
		}
		bitmap[i/8] &^= 1 << (i % 8)
		c := e.free[g]
		c.blocks++
		e.free[g] = c
	}
	return nil
}

// bitmap is the block bitmap of a group, verified before its first change.
func (e *Edit) bitmap(g uint32) ([]byte, error) {
	x := e.v.Group(g)
	if b := e.blocks[x.BlockBitmap]; b != nil {
		return b, nil
	}
	if x.Flags&blockUninit != 0 {
		return nil, e.v.unsafe("a file has blocks in group %d, which is not in use", g)
	}
	b, err := e.block(x.BlockBitmap)
	if err == nil {
		err = e.v.checkBitmap(x, b)
	}
	return b, err
}

// dropACL frees the block of extended attributes, or takes one from the number
// of files that share it.
func (e *Edit) dropACL(in *Inode) error {
	if in.ACL == 0 {
		return nil
	}
	v := e.v
	if in.ACL <= v.FirstData || in.ACL >= v.Blocks {
		return v.unsafe("inode %d has attributes at block %d", in.Number, in.ACL)
	}
	b := e.blocks[in.ACL]
	if b == nil {
		b = make([]byte, v.Block)
		if err := readAt(v.r, b, int64(in.ACL)*v.Block); err != nil {
			return fmt.Errorf("read attributes of inode %d at block %d: %w", in.Number, in.ACL, err)
		}
	}
	if refs := le32(b[4:]); le32(b) != 0xEA020000 || refs == 0 {
		return v.unsafe("inode %d has no attributes at block %d", in.Number, in.ACL)
	} else if refs == 1 {
		delete(e.blocks, in.ACL)
		return e.freeBlocks(in, in.ACL, 1)
	} else {
		put32(b[4:], refs-1)
	}
	if v.HasCsum() {
		const at = 0x10
		put32(b[at:], 0)
		crc := crc32c(v.seed, binary.LittleEndian.AppendUint64(nil, in.ACL))
		put32(b[at:], crc32c(crc, b))
	}
	e.blocks[in.ACL] = b
	return nil
}

// Unlink takes a name out of a directory. The inode is left as it is.
func (e *Edit) Unlink(dir *Inode, name string) error {
	v := e.v
	found := false
	err := v.dirBlocks(dir, func(at uint64) (bool, error) {
		had := e.blocks[at] != nil
		b, err := e.block(at)
		if err != nil {
			return false, err
		}
		var hit dirent
		err = v.dirents(dir, b, func(d dirent) bool {
			if found = d.Inode != 0 && d.Name == name; found {
				hit = d
			}
			return !found
		})
		if err != nil || !found {
			if !had {
				delete(e.blocks, at)
			}
			return true, err
		}
		if _, ok := v.dirCsum(dir, b); !ok && v.HasCsum() {
			return false, v.unsafe("directory %d has a block with a wrong checksum", dir.Number)
		}
		// The entry before it grows over it; the first of a block stays, unused.
		clear(b[hit.at+6 : hit.at+8+len(name)])
		put32(b[hit.at:], 0)
		if hit.prev >= 0 {
			put16(b[hit.at+4:], 0)
			put16(b[hit.prev+4:], v.putRecLen(hit.at+hit.len-hit.prev))
		}
		if v.HasCsum() {
			crc, _ := v.dirCsum(dir, b)
			put32(b[len(b)-4:], crc)
		}
		return false, nil
	})
	if err == nil && !found {
		err = v.unsafe("directory %d has no %q any more", dir.Number, name)
	}
	return err
}
