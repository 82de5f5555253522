package scrub

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// free frees an inode and its blocks.
func (x *xfsVolume) free(in *xfsInode) error {
	_, attr := in.counts()
	if in.u8(inodeFormat) != formatList || attr != 0 || in.u8(83) == formatTree || in.realtime() {
		return xfsCannot("it has too much to be freed with it")
	}
	blocks := uint64(0)
	if err := x.extents(in, func(e xfsExtent) error {
		blocks += uint64(e.count)
		return x.give(in, e)
	}); err != nil {
		return err
	}
	if err := x.unuse(in); err != nil {
		return err
	}
	super, err := x.super()
	if err != nil {
		return err
	}
	const ifree, qflags, checked = 136, 176, 0x4 | 0x20 | 0x100 | 0x400
	super.put64(ifree, super.u64(ifree)+1)
	super.put64(superFree, super.u64(superFree)+blocks)
	super.put16(qflags, super.u16(qflags)&^checked) // quotas are counted anew
	x.change(super)

	generation, number := in.u32(92), in.u64(inodeNumber)
	clear(in.b)
	copy(in.b, "IN\x00\x00\x03\x02") // version 3, a list of no extents
	in.b[83] = formatList
	in.put32(92, generation+1)
	in.put32(inodeNext, xfsNull)
	if x.Incompat&xfsBigtime != 0 {
		in.put64(120, flagBigtime)
	}
	in.put64(inodeNumber, number)
	copy(in.b[inodeUUID:], x.Owner[:])
	x.change(in.xfsBlock)
	return nil
}

// give gives the blocks of an extent to the list of its group.
func (x *xfsVolume) give(in *xfsInode, e xfsExtent) error {
	agf, err := x.header(e.group, 1)
	if err != nil {
		return err
	}
	if in.reflink() {
		shared := e.disk.Len()
		if err := x.alone(e, func(r extent.Range) error { shared -= r.Len(); return nil }); err != nil {
			return err
		}
		if shared > 0 {
			return xfsCannot("it shares its content with another file")
		}
	}
	if err := x.keep(e.group, agf, e.block, e.count); err != nil {
		return err
	}
	if x.ROCompat&xfsRmap != 0 {
		if err := x.hand(in, e, agf); err != nil {
			return err
		}
	}
	x.freed.Add(e.disk)
	return nil
}

// Where an AGF has the first and the last block of its group's list, and the
// number, and where an AGFL has the list.
const (
	listFirst = 40
	listLast  = 44
	listCount = 48
	listHead  = 36
)

// kept is the list of blocks of a group, which is a ring, and how many it has.
func (x *xfsVolume) kept(group int64, agf *xfsBlock) (list *xfsBlock, n uint32, err error) {
	if list, err = x.header(group, 3); err != nil {
		return nil, 0, err
	}
	size := uint32(x.Sector-listHead) / 4
	n = agf.u32(listCount)
	if n > size || agf.u32(listFirst) >= size || agf.u32(listLast) >= size || n > 0 && (agf.u32(listLast)+size-agf.u32(listFirst))%size+1 != n {
		return nil, 0, xfsDamaged("the list of blocks of group %d does not add up", group)
	}
	return list, n, nil
}

// keep puts blocks on the list of their group. It has room for more than a
// hundred, and the kernel leaves it but a few: it frees what is too much before
// it allocates anything.
func (x *xfsVolume) keep(group int64, agf *xfsBlock, block, more uint32) error {
	list, n, err := x.kept(group, agf)
	if err != nil {
		return err
	}
	size := uint32(x.Sector-listHead) / 4
	if more > size-n {
		return xfsCannot("it is too large to be freed")
	}
	for i := range more {
		at := (agf.u32(listLast) + 1) % size
		list.put32(listHead+4*int(at), block+i)
		agf.put32(listLast, at)
	}
	agf.put32(listCount, n+more)
	x.change(agf)
	x.change(list)
	return nil
}

// unuse marks an inode as free in the trees of its group: that of all inodes,
// and that of those 64 of which some are free. A record has the first inode, a
// bit for each 4 that are not there, their number and that of the free, and a
// bit for each that is free; without sparse inodes just the number of the free.
func (x *xfsVolume) unuse(in *xfsInode) error {
	agi, err := x.header(in.group, 2)
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint32(nil, in.local)
	path, err := x.descend(xfsInodes, in.group, agi.u32(20), agi.u32(24), key)
	if err != nil {
		return err
	}
	leaf := path[0]
	if leaf.i < 0 {
		return xfsDamaged("no record has inode %d", in.id)
	}
	record := leaf.entry(leaf.i)
	before := bytes.Clone(record)
	first, free := binary.BigEndian.Uint32(record), binary.BigEndian.Uint64(record[8:])
	bit := uint64(1) << ((in.local - first) & 63)
	if in.local-first >= 64 || free&bit != 0 {
		return xfsDamaged("no record has inode %d", in.id)
	}
	binary.BigEndian.PutUint64(record[8:], free|bit)
	if x.Incompat&xfsSparse != 0 {
		record[7]++
	} else {
		binary.BigEndian.PutUint32(record[4:], binary.BigEndian.Uint32(record[4:])+1)
	}
	x.change(leaf.xfsBlock)
	const freecount = 28
	agi.put32(freecount, agi.u32(freecount)+1)
	x.change(agi)
	if x.ROCompat&xfsFinobt == 0 {
		return nil
	}

	unused, err := x.descend(xfsUnused, in.group, agi.u32(agiUnused), agi.u32(agiUnused+4), record[:4])
	if err != nil {
		return err
	}
	leaf = unused[0]
	if free == 0 {
		return x.insert(unused, in.group, record)
	}
	if leaf.i < 0 || !bytes.Equal(leaf.entry(leaf.i), before) {
		return xfsDamaged("the records of inode %d differ: %d are free", in.id, bits.OnesCount64(free))
	}
	copy(leaf.entry(leaf.i), record)
	x.change(leaf.xfsBlock)
	return nil
}
