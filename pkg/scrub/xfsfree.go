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
	super, err := x.load(0, x.Sector, xfsKind{"XFSB", 224, 0})
	if err != nil {
		return err
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
	const ifree, fdblocks, qflags, checked = 136, 144, 176, 0x4 | 0x20 | 0x100 | 0x400
	super.put64(ifree, super.u64(ifree)+1)
	super.put64(fdblocks, super.u64(fdblocks)+blocks)
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
	return x.zero(e.disk)
}

// keep puts blocks on the list of their group, which is a ring of blocks that
// the AGF has the first, the last and the number of. The kernel does not fill
// it, as it has room for far more than the trees may need: and frees what is
// too much before it allocates anything.
func (x *xfsVolume) keep(group int64, agf *xfsBlock, block, more uint32) error {
	list, err := x.header(group, 3)
	if err != nil {
		return err
	}
	const head, first, last, count = 36, 40, 44, 48
	size := uint32(x.Sector-head) / 4
	n := agf.u32(count)
	if n > size || agf.u32(first) >= size || agf.u32(last) >= size || n > 0 && (agf.u32(last)+size-agf.u32(first))%size+1 != n {
		return xfsDamaged("the list of blocks of group %d does not add up", group)
	}
	if more > size-n {
		return xfsCannot("it is too large to be freed")
	}
	for i := range more {
		at := (agf.u32(last) + 1) % size
		list.put32(head+4*int(at), block+i)
		agf.put32(last, at)
	}
	agf.put32(count, n+more)
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
	const freecount, finobt = 28, 328
	agi.put32(freecount, agi.u32(freecount)+1)
	x.change(agi)
	if x.ROCompat&xfsFinobt == 0 {
		return nil
	}

	unused, err := x.descend(xfsUnused, in.group, agi.u32(finobt), agi.u32(finobt+4), record[:4])
	if err != nil {
		return err
	}
	leaf = unused[0]
	if free == 0 {
		return x.insert(in, unused, record)
	}
	if leaf.i < 0 || !bytes.Equal(leaf.entry(leaf.i), before) {
		return xfsDamaged("the records of inode %d differ: %d are free", in.id, bits.OnesCount64(free))
	}
	copy(leaf.entry(leaf.i), record)
	x.change(leaf.xfsBlock)
	return nil
}

// insert puts a record behind the one that path leads to.
func (x *xfsVolume) insert(in *xfsInode, path []*xfsStep, record []byte) error {
	at := path[0].i + 1
	if path[0].count() == path[0].room() {
		var err error
		if at, err = x.makeRoom(in, path, at); err != nil {
			return err
		}
	}
	path[0].put(at, record)
	x.change(path[0].xfsBlock)
	for _, s := range path[1:] { // parents know the first record
		if at > 0 {
			break
		}
		copy(s.entry(s.i), record[:s.tree.key])
		x.change(s.xfsBlock)
		at = s.i
	}
	return nil
}

// makeRoom moves a record from a full leaf to the one before or behind it under
// the same parent. It gives where the new record's place is then, in the leaf
// that path leads to then.
func (x *xfsVolume) makeRoom(in *xfsInode, path []*xfsStep, at int) (int, error) {
	for _, side := range []int{-1, 1} {
		if len(path) == 1 {
			break
		}
		leaf, parent := path[0], path[1]
		i := parent.i + side
		if i < 0 || i >= parent.count() || at+side < 0 {
			continue
		}
		other, err := x.step(leaf.tree, in.group, parent.child(i), 0)
		if err != nil {
			return 0, err
		}
		n := leaf.count()
		switch {
		case other.count() == other.room():
			continue
		case side < 0:
			other.put(other.count(), bytes.Clone(leaf.entry(0)))
			leaf.put(0, nil)
			copy(parent.entry(parent.i), leaf.entry(0)[:leaf.tree.key])
			at--
		case at == n: // the new one is the first behind
			path[0], parent.i, at = other, i, 0
		default:
			other.put(0, bytes.Clone(leaf.entry(n-1)))
			leaf.put(n-1, nil)
			copy(parent.entry(i), other.entry(0)[:leaf.tree.key])
		}
		for _, s := range []*xfsStep{leaf, other, parent} {
			x.change(s.xfsBlock)
		}
		return at, nil
	}
	return 0, xfsCannot("there is no room to note that its inode is free")
}
