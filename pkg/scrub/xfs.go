package scrub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
	"github.com/orbit-pxe/orbit/pkg/order"
)

const (
	xfsNull       = 0xffffffff
	xfsFinobt     = 0x1 // read-only compatible features
	xfsRmap       = 0x2
	xfsInobtCount = 0x8
	xfsSparse     = 0x2 // incompatible features
	xfsBigtime    = 0x8
	maxZeros      = 1 << 22
)

// Where a superblock has how many blocks are free, and an AGI the root of the
// tree of inodes of which some are free, with the number of its levels behind,
// and how many blocks that tree has.
const (
	superFree     = 144
	agiUnused     = 328
	agiUnusedSize = 340
)

// XFS scrubs an XFS filesystem of version 5 whose log is clean, on a volume of
// size bytes.
//
// A file is emptied by its size alone. Its blocks stay its own, beyond its end
// and full of zeros, as those are that were allocated ahead of writing: they are
// freed when the file was written to and is closed, or is deleted. So no tree of
// free space changes. A file is removed by taking out its name, freeing
// its inode, and giving its blocks, which are few, to the list of blocks that
// its group keeps for its trees' growth: the kernel takes from there, and gives
// back what is too much. Where the trees that say who owns a block and which
// inodes are free get too many entries for a block, or too few, blocks are split
// and joined. What shares blocks with another file leaves them as they are.
//
// The format is that of "XFS Algorithms & Data Structures", 3rd edition.
func XFS(r io.ReaderAt, size int64) (*Patch, error) {
	s, err := xfs.ReadSuper(r, size)
	if err != nil {
		return nil, err
	}
	if s.Version != 5 {
		return nil, xfsCannot("version %d has no checksums", s.Version)
	}
	switch clean, err := s.Clean(r); {
	case err != nil:
		return nil, err
	case !clean:
		return nil, xfsCannot("its log needs recovery: mount it once, and unmount it")
	}
	x := &xfsVolume{Super: s, r: r, changed: map[int64]*xfsBlock{}}
	targets, err := find(x)
	if err != nil {
		return nil, err
	}
	p := &Patch{}
	for _, names := range byInode(targets) {
		if err := x.file(names, p); err != nil {
			return nil, xfsNamed(names[0].path, err)
		}
	}
	return p, x.finish(p)
}

// file empties or removes one file, all of whose names that were found are
// given.
func (x *xfsVolume) file(names []target, p *Patch) error {
	in, err := x.inode(names[0].id, typeRegular)
	if err != nil {
		return err
	}
	removed := 0
	for _, t := range names {
		if t.do == remove {
			removed++
		}
	}
	if removed == 0 {
		cut, err := x.cut(in)
		for i := 0; cut && i < len(names); i++ {
			p.Emptied = append(p.Emptied, "/"+names[i].path)
		}
		return err
	}
	if removed != len(names) || uint32(removed) != in.u32(inodeLinks) {
		return xfsCannot("it is to be removed, and has other names")
	}
	for _, t := range names {
		if err := x.forget(t.parent, t.name, t.id); err != nil {
			return err
		}
		p.Removed = append(p.Removed, "/"+t.path)
	}
	return x.free(in)
}

// xfsVolume is a filesystem and what is changed of it.
type xfsVolume struct {
	*xfs.Super
	r       io.ReaderAt
	changed map[int64]*xfsBlock // by offset
	zeros   []extent.Range
	freed   extent.Set // zeros too, until a tree takes one
}

// xfsKind is a kind of metadata with its checksum and the filesystem's UUID in
// places of their own.
type xfsKind struct {
	magic     string
	sum, uuid int
}

// xfsBlock is a piece of metadata, as it is to be.
type xfsBlock struct {
	off int64
	b   []byte
	sum int
}

func (p *xfsBlock) u8(at int) uint8           { return p.b[at] }
func (p *xfsBlock) u16(at int) int            { return int(binary.BigEndian.Uint16(p.b[at:])) }
func (p *xfsBlock) u32(at int) uint32         { return binary.BigEndian.Uint32(p.b[at:]) }
func (p *xfsBlock) u64(at int) uint64         { return binary.BigEndian.Uint64(p.b[at:]) }
func (p *xfsBlock) put16(at int, n int)       { binary.BigEndian.PutUint16(p.b[at:], uint16(n)) }
func (p *xfsBlock) put32(at int, n uint32)    { binary.BigEndian.PutUint32(p.b[at:], n) }
func (p *xfsBlock) put64(at int, n uint64)    { binary.BigEndian.PutUint64(p.b[at:], n) }
func (p *xfsBlock) at(off, length int) []byte { return p.b[off : off+length] }

// load gives metadata as it is now. It has to be of the kind that is expected,
// and sound.
func (x *xfsVolume) load(off, length int64, kind xfsKind) (*xfsBlock, error) {
	if p := x.changed[off]; p != nil {
		if int64(len(p.b)) != length || p.sum != kind.sum {
			return nil, xfsDamaged("two kinds of metadata are in one place at %d", off)
		}
		return p, nil
	}
	b, err := x.read(off, length)
	if err != nil {
		return nil, err
	}
	p := &xfsBlock{off: off, b: b, sum: kind.sum}
	switch {
	case string(p.at(0, len(kind.magic))) != kind.magic:
		return nil, xfsDamaged("no %q at %d", kind.magic, off)
	case !xfs.SumOK(p.b, kind.sum):
		return nil, xfsDamaged("%q at %d has a wrong checksum", kind.magic, off)
	case kind.uuid > 0 && [16]byte(p.b[kind.uuid:]) != x.Owner:
		return nil, xfsDamaged("%q at %d belongs to another filesystem", kind.magic, off)
	}
	return p, nil
}

func (x *xfsVolume) read(off, length int64) ([]byte, error) {
	b := make([]byte, length)
	if n, err := x.r.ReadAt(b, off); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read xfs metadata at %d: %w", off, err)
	}
	return b, nil
}

// change keeps metadata that was loaded and changed.
func (x *xfsVolume) change(p *xfsBlock) { x.changed[p.off] = p }

// super loads the superblock.
func (x *xfsVolume) super() (*xfsBlock, error) { return x.load(0, x.Sector, xfsKind{"XFSB", 224, 0}) }

// header loads the AGF, AGI or AGFL of a group: the sector with that number.
func (x *xfsVolume) header(group, sector int64) (*xfsBlock, error) {
	kind := [4]xfsKind{{"XFSB", 224, 0}, {"XAGF", 216, 64}, {"XAGI", 312, 296}, {"XAFL", 32, 8}}[sector]
	return x.load(group*x.GroupBlocks*x.Block+sector*x.Sector, x.Sector, kind)
}

// zero has a range read as zeros.
func (x *xfsVolume) zero(r extent.Range) error {
	if x.zeros = append(x.zeros, r); len(x.zeros) > maxZeros {
		return xfsCannot("what is to be left out is in too many pieces")
	}
	return nil
}

// block is where a block is on the volume, if it is in the group and behind
// the group's headers.
func (x *xfsVolume) block(group int64, block uint32) (int64, error) {
	if group >= x.Groups || int64(block) >= x.Length(group) || int64(block)*x.Block < 4*x.Sector {
		return 0, xfsDamaged("there is no block %d in group %d", block, group)
	}
	return (group*x.GroupBlocks + int64(block)) * x.Block, nil
}

// finish seals what was changed and puts it into the patch.
func (x *xfsVolume) finish(p *Patch) error {
	p.Zero = extent.NewSet(x.zeros...).Union(x.freed)
	end := int64(0)
	for _, c := range x.changed {
		binary.LittleEndian.PutUint32(c.b[c.sum:], xfs.Sum(c.b, c.sum))
		p.Replace = append(p.Replace, Piece{c.off, c.b})
	}
	order.Sort(p.Replace, func(a, b Piece) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	for _, piece := range p.Replace {
		if piece.Off < end || p.Zero.Overlaps(piece.Range()) {
			return xfsDamaged("metadata at %d is part of a file", piece.Off)
		}
		end = piece.Range().End
	}
	return nil
}

func xfsCannot(format string, args ...any) error {
	return &UnsupportedError{"xfs", fmt.Sprintf(format, args...)}
}

func xfsDamaged(format string, args ...any) error { return fsmap.Unsafef("xfs", format, args...) }

// xfsNamed says which file an error is about.
func xfsNamed(path string, err error) error {
	var cannot *UnsupportedError
	if errors.As(err, &cannot) {
		return xfsCannot("/%s: %s", path, cannot.Reason)
	}
	return fmt.Errorf("scrub /%s: %w", path, err)
}
