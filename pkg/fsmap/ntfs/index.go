package ntfs

import (
	"encoding/binary"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// index is the name of the attributes that are a directory.
const index = "$I30"

// awake fails where the volume has a hibernated Windows: what it has in memory
// of the volume is newer than what is on it. A fast start is a hibernation too.
func (v *volume) awake() error {
	return v.names(recRoot, func(name string, ref uint64) error {
		if !strings.EqualFold(name, "hiberfil.sys") {
			return nil
		}
		n := int64(ref & refMask)
		rec, err := v.record(n)
		if err != nil {
			return err
		}
		if rec.seq != uint16(ref>>48) {
			return fsmap.Unsafef(kind, "%s is not in MFT record %d", name, n)
		}
		s, err := v.attr(n, typeData, "")
		if err != nil || s == nil || min(s.size, s.valid) < 4 {
			return err
		}
		var magic [4]byte
		if err := v.read(s, magic[:], 0, name); err != nil {
			return err
		}
		if strings.EqualFold(string(magic[:]), "hibr") {
			return fsmap.Unsafef(kind, "Windows is hibernated, or was shut down for a fast start: shut it down for good")
		}
		return nil
	})
}

// names calls f with the names in directory n and the files they refer to. The
// entries are in a tree: its root is in the MFT, all else in blocks of one
// size, and here they come in the order of the blocks.
func (v *volume) names(n int64, f func(name string, ref uint64) error) error {
	root, err := v.attr(n, typeIndexRoot, index)
	if err != nil {
		return err
	}
	if root == nil || len(root.value) < 32 {
		return fsmap.Unsafef(kind, "MFT record %d is no directory", n)
	}
	if err := entries(root.value[16:], f); err != nil {
		return err
	}
	blocks, err := v.attr(n, typeIndexAlloc, index)
	if err != nil || blocks == nil {
		return err
	}
	bitmap, err := v.attr(n, typeBitmap, index)
	if err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint32(root.value[8:]))
	if bitmap == nil || size < 512 || size > 64<<10 || size&(size-1) != 0 || blocks.size > v.heap.End() {
		return fsmap.Unsafef(kind, "directory in MFT record %d has %d bytes in blocks of %d", n, blocks.size, size)
	}
	v.own = v.own.Union(v.extents(blocks)).Union(v.extents(bitmap))
	b := make([]byte, size)
	bits := make([]byte, 512) // a piece of the bitmap
	for i := int64(0); i < blocks.size/size; i++ {
		if i%(8*512) == 0 {
			at := i / 8
			if err := v.read(bitmap, bits[:max(0, min(512, bitmap.size-at))], at, "bitmap of a directory"); err != nil {
				return err
			}
		}
		if i/8 >= bitmap.size || bits[i/8%512]>>(i%8)&1 == 0 {
			continue
		}
		if err := v.read(blocks, b, i*size, "directory"); err != nil {
			return err
		}
		if string(b[:4]) != "INDX" || !fixup(b) {
			return fsmap.Unsafef(kind, "block %d of the directory in MFT record %d is damaged: run chkdsk", i, n)
		}
		if err := entries(b[24:], f); err != nil {
			return err
		}
	}
	return nil
}

// entries calls f with the names behind an index header.
func entries(b []byte, f func(name string, ref uint64) error) error {
	le := binary.LittleEndian
	damaged := fsmap.Unsafef(kind, "index of a directory makes no sense: run chkdsk")
	off, end := le.Uint32(b), le.Uint32(b[4:])
	if off < 16 || off > end || end > uint32(len(b)) {
		return damaged
	}
	for b = b[off:end]; ; {
		if len(b) < 16 {
			return damaged
		}
		size, last := int(le.Uint16(b[8:])), le.Uint16(b[12:])&2 != 0
		if last {
			return nil
		}
		if size < 16+66 || size > len(b) || 16+66+2*int(b[16+64]) > size {
			return damaged
		}
		name := cluster.UTF16(b[16+66 : 16+66+2*int(b[16+64])])
		if err := f(name, le.Uint64(b)); err != nil {
			return err
		}
		b = b[size:]
	}
}
