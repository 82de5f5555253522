package scrub

import (
	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Where things are in an inode, and some of what they are.
const (
	inodeMode    = 2
	inodeFormat  = 5
	inodeLinks   = 16
	inodeSize    = 56
	inodeNext    = 96
	inodeNumber  = 152
	inodeUUID    = 160
	inodeFork    = 176 // with where the content is; attributes are behind it
	formatLocal  = 1
	formatList   = 2
	formatTree   = 3
	flagRealtime = 0x1
	flagAhead    = 0x2 // blocks beyond the end are kept on purpose
	flagReflink  = 0x2 // of the second flags
	flagBigtime  = 0x8
	flagWide     = 0x10 // counts of extents have more bits
	typeMask     = 0o170000
	typeRegular  = 0o100000
	typeDir      = 0o040000
)

// xfsInode is an inode that is in use.
type xfsInode struct {
	*xfsBlock
	id    uint64
	group int64
	local uint32 // number within the group
}

// inode loads an inode that is of a type.
func (x *xfsVolume) inode(id uint64, kind int) (*xfsInode, error) {
	bits := x.GroupLog + x.InodeLog
	if id>>bits >= uint64(x.Groups) {
		return nil, xfsDamaged("there is no inode %d", id)
	}
	in := &xfsInode{id: id, group: int64(id >> bits), local: uint32(id & (1<<bits - 1))}
	off, err := x.block(in.group, in.local>>x.InodeLog)
	if err != nil {
		return nil, err
	}
	off += int64(in.local&(1<<x.InodeLog-1)) * x.Inode
	if in.xfsBlock, err = x.load(off, x.Inode, xfsKind{"IN", 100, inodeUUID}); err != nil {
		return nil, err
	}
	if in.u64(inodeNumber) != id || in.u8(4) != 3 || in.u16(inodeMode)&typeMask != kind {
		return nil, xfsDamaged("inode %d is not what its directory says", id)
	}
	return in, nil
}

func (in *xfsInode) realtime() bool { return in.u16(90)&flagRealtime != 0 }
func (in *xfsInode) reflink() bool  { return in.u64(120)&flagReflink != 0 }

// counts gives how many extents the content has, and how many the attributes.
func (in *xfsInode) counts() (data uint64, attr uint32) {
	if in.u64(120)&flagWide != 0 {
		return in.u64(24), in.u32(76)
	}
	return uint64(in.u32(76)), uint32(in.u16(80))
}

// fork is where an inode has its content, or says where that is.
func (in *xfsInode) fork() []byte {
	end := len(in.b)
	if n := inodeFork + int(in.u8(82))*8; n > inodeFork && n < end {
		end = n
	}
	return in.b[inodeFork:end]
}

// xfsExtent is a run of blocks of a file.
type xfsExtent struct {
	file         uint64 // block within the file
	group        int64
	block, count uint32
	disk         extent.Range
}

// extents gives the extents of a file, in order.
func (x *xfsVolume) extents(in *xfsInode, each func(xfsExtent) error) error {
	w := xfsWalk{xfsVolume: x, in: in, each: each}
	w.left, _ = in.counts()
	p := &xfsBlock{b: in.fork()}
	switch in.u8(inodeFormat) {
	case formatList:
		if w.left > uint64(len(p.b)/16) {
			return xfsDamaged("inode %d has no room for its extents", in.id)
		}
		if err := w.leaf(p.b[:16*w.left]); err != nil {
			return err
		}
	case formatTree:
		if len(p.b) < 4 {
			return xfsDamaged("inode %d has no room for its extents", in.id)
		}
		if err := w.children(p, 4, (len(p.b)-4)/16, p.u16(2), p.u16(0)); err != nil {
			return err
		}
	default:
		return xfsDamaged("inode %d has its content in another format", in.id)
	}
	if w.left > 0 {
		return xfsDamaged("inode %d lacks %d extents", in.id, w.left)
	}
	return nil
}

// xfsWalk goes through the tree of a file's extents. Each has to be behind the
// one before, so it ends.
type xfsWalk struct {
	*xfsVolume
	in   *xfsInode
	each func(xfsExtent) error
	left uint64 // extents
	end  uint64 // of the last one in the file
}

// children goes through count children on the level below, whose blocks are
// behind room for as many keys of 8 bytes.
func (w *xfsWalk) children(p *xfsBlock, head, room, count, level int) error {
	if level < 1 || level > 9 || count < 1 || count > room {
		return xfsDamaged("inode %d has a bad tree of extents", w.in.id)
	}
	level--
	for i := range count {
		n := p.u64(head + 8*room + 8*i)
		group := int64(min(n>>w.GroupLog, uint64(w.Groups)))
		off, err := w.block(group, uint32(n&(1<<w.GroupLog-1)))
		if err != nil {
			return err
		}
		c, err := w.load(off, w.Block, xfsKind{"BMA3", 64, 40})
		if err != nil {
			return err
		}
		if c.u16(4) != level || c.u64(56) != w.in.id || int64(c.u64(24))*512 != off {
			return xfsDamaged("inode %d has a bad tree of extents", w.in.id)
		}
		n0, before := c.u16(6), w.left
		switch {
		case level > 0:
			err = w.children(c, 72, (len(c.b)-72)/16, n0, level)
		case n0 > (len(c.b)-72)/16:
			err = xfsDamaged("inode %d has a bad tree of extents", w.in.id)
		default:
			err = w.leaf(c.at(72, 16*n0))
		}
		if err == nil && w.left == before {
			err = xfsDamaged("inode %d has an empty part in its tree of extents", w.in.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaf takes extents apart: an unwritten flag, 54 bits of a block in the file,
// 52 of one on the volume, 21 of a count.
func (w *xfsWalk) leaf(b []byte) error {
	p := &xfsBlock{b: b}
	for i := 0; i < len(b); i += 16 {
		high, low := p.u64(i), p.u64(i+8)
		n := high&(1<<9-1)<<43 | low>>21
		e := xfsExtent{file: high << 1 >> 10, group: int64(n >> w.GroupLog), block: uint32(n & (1<<w.GroupLog - 1)), count: uint32(low & (1<<21 - 1))}
		off, err := w.block(e.group, e.block)
		if err != nil {
			return err
		}
		if w.left == 0 || e.count == 0 || e.file < w.end || int64(e.block)+int64(e.count) > w.Length(e.group) {
			return xfsDamaged("inode %d has a bad extent", w.in.id)
		}
		w.left--
		w.end = e.file + uint64(e.count)
		e.disk = extent.Range{Off: off, End: off + int64(e.count)*w.Block}
		if err := w.each(e); err != nil {
			return err
		}
	}
	return nil
}

// cut makes a file end where it begins, and tells whether it had anything.
func (x *xfsVolume) cut(in *xfsInode) (bool, error) {
	if in.realtime() {
		return false, xfsCannot("its content is on a realtime device")
	}
	any := in.u64(inodeSize) > 0
	err := x.extents(in, func(e xfsExtent) error {
		any = true
		if in.reflink() {
			return x.alone(e, x.zero)
		}
		return x.zero(e.disk)
	})
	if err != nil || !any {
		return any, err
	}
	in.put64(inodeSize, 0)
	in.put16(90, in.u16(90)&^flagAhead)
	x.change(in.xfsBlock)
	return any, nil
}
