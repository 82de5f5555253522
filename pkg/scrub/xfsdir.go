package scrub

import (
	"encoding/binary"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
	"github.com/orbit-pxe/orbit/pkg/order"
)

const (
	dirHead     = 64       // of a block of a directory, before the entries
	dirUnused   = 0xffff   // where an entry has the upper half of its inode
	dirSpace    = 32 << 30 // bytes of a directory that hold entries; the index is behind
	dirRegular  = 1        // type of an entry
	dirDir      = 2
	maxEntries  = 1 << 20
	dirFreeList = 48 // three times offset and length of what is free, the largest first
)

func (x *xfsVolume) root() uint64 { return x.Root }

// list reads a directory.
func (x *xfsVolume) list(id uint64) ([]entry, error) {
	in, err := x.inode(id, typeDir)
	if err != nil {
		return nil, err
	}
	if in.u8(inodeFormat) == formatLocal {
		d, err := readShort(in)
		if err != nil {
			return nil, err
		}
		var list []entry
		for _, e := range d.entries {
			list = append(list, entry{e.name, e.id, e.kind == dirDir, e.kind == dirRegular})
		}
		return list, nil
	}
	var list []entry
	err = x.dirBlocks(in, func(b *xfsBlock) error {
		items, err := dirItems(b)
		for _, it := range items {
			if it.used && it.name != "." && it.name != ".." {
				list = append(list, entry{it.name, it.id, it.kind == dirDir, it.kind == dirRegular})
			}
		}
		if len(list) > maxEntries {
			return xfsCannot("a directory has more than %d names", maxEntries)
		}
		return err
	})
	return list, err
}

// dirBlocks gives the blocks of a directory that have entries.
func (x *xfsVolume) dirBlocks(in *xfsInode, each func(*xfsBlock) error) error {
	per := uint64(x.DirBlock / x.Block)
	var at []int64 // the pieces of one block
	return x.extents(in, func(e xfsExtent) error {
		for i := range int64(e.count) {
			n := e.file + uint64(i)
			if n >= dirSpace/uint64(x.Block) {
				return nil
			}
			if n%per != uint64(len(at)) {
				return xfsDamaged("directory %d has a hole in a block", in.id)
			}
			if at = append(at, e.disk.Off+i*x.Block); uint64(len(at)) < per {
				continue
			}
			b, err := x.dirBlock(in, at)
			if err != nil {
				return err
			}
			if err := each(b); err != nil {
				return err
			}
			at = at[:0]
		}
		return nil
	})
}

// dirBlock loads a block of a directory, which may be in pieces, and has no
// place then. One that is all of a directory has another magic, and the index
// at its end.
func (x *xfsVolume) dirBlock(in *xfsInode, at []int64) (*xfsBlock, error) {
	kind := xfsKind{"XD", 4, 24}
	b := &xfsBlock{off: -1, sum: kind.sum}
	if at[len(at)-1]-at[0] == x.DirBlock-x.Block && slices.IsSorted(at) {
		var err error
		if b, err = x.load(at[0], x.DirBlock, kind); err != nil {
			return nil, err
		}
	} else {
		for _, off := range at {
			piece, err := x.read(off, x.Block)
			if err != nil {
				return nil, err
			}
			b.b = append(b.b, piece...)
		}
		if !xfs.SumOK(b.b, kind.sum) {
			return nil, xfsDamaged("directory %d has a wrong checksum", in.id)
		}
	}
	alone := in.u64(inodeSize) == uint64(x.DirBlock)
	if magic := string(b.at(0, 4)); magic != "XDD3" && !(magic == "XDB3" && alone) || b.u64(40) != in.id || int64(b.u64(8))*512 != at[0] {
		return nil, xfsDamaged("directory %d has a bad block at %d", in.id, at[0])
	}
	return b, nil
}

// dirItem is an entry of a directory, or free space.
type dirItem struct {
	off, length int
	used        bool
	id          uint64
	name        string
	kind        uint8
}

// dirItems takes a block of a directory apart.
func dirItems(b *xfsBlock) ([]dirItem, error) {
	end := len(b.b)
	if string(b.at(0, 4)) == "XDB3" {
		count := int64(b.u32(end - 8)) // entries in the index
		if count*8 > int64(end-8-dirHead) {
			return nil, xfsDamaged("a directory's index has %d entries", count)
		}
		end -= 8 + int(count)*8
	}
	var items []dirItem
	for off := dirHead; off < end; {
		it := dirItem{off: off}
		switch {
		case b.u16(off) == dirUnused:
			it.length = b.u16(off + 2)
		case end-off >= 16:
			n := int(b.u8(off + 8))
			if it.length = (8 + 1 + n + 1 + 2 + 7) / 8 * 8; n == 0 || it.length > end-off {
				return nil, xfsDamaged("a directory has a bad entry at %d", off)
			}
			it.used, it.id, it.name, it.kind = true, b.u64(off), string(b.at(off+9, n)), b.u8(off+9+n)
		}
		if it.length < 8 || it.length%8 != 0 || it.length > end-off || b.u16(off+it.length-2) != off {
			return nil, xfsDamaged("a directory has a bad entry at %d", off)
		}
		items = append(items, it)
		off += it.length
	}
	return items, nil
}

// forget takes a name out of a directory.
func (x *xfsVolume) forget(dir uint64, name string, id uint64) error {
	in, err := x.inode(dir, typeDir)
	if err != nil {
		return err
	}
	switch {
	case in.u8(inodeFormat) == formatLocal:
		return x.forgetShort(in, name, id)
	case in.u64(inodeSize) != uint64(x.DirBlock):
		return xfsCannot("its directory is too large to take a name out of")
	}
	var block *xfsBlock
	if err := x.dirBlocks(in, func(b *xfsBlock) error { block = b; return nil }); err != nil {
		return err
	}
	if block == nil || block.off < 0 || string(block.at(0, 4)) != "XDB3" {
		return xfsCannot("its directory is in pieces")
	}
	items, err := dirItems(block)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(items, func(it dirItem) bool { return it.used && it.name == name && it.id == id })
	if i < 0 || !unindex(block, items[i].off) {
		return xfsDamaged("directory %d has lost a name", dir)
	}
	items[i].used = false
	freeItems(block, items)
	x.change(block)
	return nil
}

// unindex makes the entry at off one that the index of its block no longer
// knows, and tells whether it did.
func unindex(b *xfsBlock, off int) bool {
	tail := len(b.b) - 8
	for at := tail - int(b.u32(tail))*8; at < tail; at += 8 {
		if b.u32(at+4) == uint32(off/8) {
			b.put32(at+4, 0)
			b.put32(tail+4, b.u32(tail+4)+1)
			return true
		}
	}
	return false
}

// freeItems writes down what is free in a block: free space that touches is
// one, and the three largest are in the header.
func freeItems(b *xfsBlock, items []dirItem) {
	var free []dirItem
	for _, it := range items {
		if it.used {
			continue
		}
		if n := len(free); n > 0 && free[n-1].off+free[n-1].length == it.off {
			free[n-1].length += it.length
		} else {
			free = append(free, it)
		}
	}
	for _, it := range free {
		clear(b.at(it.off, it.length))
		b.put16(it.off, dirUnused)
		b.put16(it.off+2, it.length)
		b.put16(it.off+it.length-2, it.off)
	}
	order.Stable(free, func(a, b dirItem) int { return b.length - a.length })
	clear(b.at(dirFreeList, 12))
	for i, it := range free[:min(len(free), 3)] {
		b.put16(dirFreeList+4*i, it.off)
		b.put16(dirFreeList+4*i+2, it.length)
	}
}

// shortDir is a directory within its inode.
type shortDir struct {
	parent  uint64
	entries []shortEntry
}

type shortEntry struct {
	off  int // where it would be in a block
	id   uint64
	name string
	kind uint8
}

// readShort takes a directory within its inode apart: how many names there
// are, how many inodes need 8 bytes (all have 8 then), the parent; and for
// each its length, place, name, type and inode.
func readShort(in *xfsInode) (*shortDir, error) {
	b := in.fork()
	size := in.u64(inodeSize)
	if size < 6 || size > uint64(len(b)) {
		return nil, xfsDamaged("directory %d has no room for its names", in.id)
	}
	b = b[:size]
	count, width := int(b[0]), 4
	if b[1] > 0 {
		width = 8
	}
	number := func(b []byte) uint64 {
		if width == 8 {
			return binary.BigEndian.Uint64(b)
		}
		return uint64(binary.BigEndian.Uint32(b))
	}
	if b = b[2:]; len(b) < width {
		return nil, xfsDamaged("directory %d has no room for its names", in.id)
	}
	d := &shortDir{parent: number(b)}
	b = b[width:]
	for range count {
		if len(b) < 4+width || len(b) < 4+int(b[0])+width || b[0] == 0 {
			return nil, xfsDamaged("directory %d has no room for its names", in.id)
		}
		n := int(b[0])
		d.entries = append(d.entries, shortEntry{int(binary.BigEndian.Uint16(b[1:])), number(b[4+n:]), string(b[3 : 3+n]), b[3+n]})
		b = b[4+n+width:]
	}
	if len(b) > 0 {
		return nil, xfsDamaged("directory %d has more than its names", in.id)
	}
	return d, nil
}

// forgetShort takes a name out of a directory within its inode.
func (x *xfsVolume) forgetShort(in *xfsInode, name string, id uint64) error {
	d, err := readShort(in)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(d.entries, func(e shortEntry) bool { return e.name == name && e.id == id })
	if i < 0 {
		return xfsDamaged("directory %d has lost a name", in.id)
	}
	d.entries = slices.Delete(d.entries, i, i+1)
	b := d.encode()
	clear(in.fork()[:in.u64(inodeSize)])
	copy(in.fork(), b)
	in.put64(inodeSize, uint64(len(b)))
	x.change(in.xfsBlock)
	return nil
}

func (d *shortDir) encode() []byte {
	wide := 0
	if d.parent > xfsNull {
		wide++
	}
	for _, e := range d.entries {
		if e.id > xfsNull {
			wide++
		}
	}
	number := func(b []byte, n uint64) []byte {
		if wide > 0 {
			return binary.BigEndian.AppendUint64(b, n)
		}
		return binary.BigEndian.AppendUint32(b, uint32(n))
	}
	b := number([]byte{byte(len(d.entries)), byte(wide)}, d.parent)
	for _, e := range d.entries {
		b = binary.BigEndian.AppendUint16(append(b, byte(len(e.name))), uint16(e.off))
		b = number(append(append(b, e.name...), e.kind), e.id)
	}
	return b
}
