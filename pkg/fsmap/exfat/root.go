package exfat

import (
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

type volume struct {
	r io.ReaderAt
	*boot
}

// file is where something begins, and its bytes.
type file struct {
	first uint32
	size  int64
}

// directory is what the root directory says about the volume.
type directory struct {
	label   string
	bitmaps []file
	own     []extent.Range // clusters of metadata
}

// maxDirectory is the most bytes that a directory may have.
const maxDirectory = 256 << 20

// Types of entries in the root directory.
const (
	typeEnd    = 0x00
	typeBitmap = 0x81
	typeUpcase = 0x82
	typeLabel  = 0x83
)

// chain calls f with the clusters of a file in order.
func (v *volume) chain(first uint32, f func(r extent.Range) (more bool, err error)) error {
	for n := first; ; {
		if !v.valid(n) {
			return fsmap.Unsafef(kind, "chain from cluster %d comes to %d, of %d", first, n, v.heap.Count)
		}
		if more, err := f(v.heap.Range(int64(n)-2, 1)); err != nil || !more {
			return err
		}
		var b [4]byte
		if err := cluster.Read(v.r, b[:], v.fat+4*int64(n), "FAT"); err != nil {
			return err
		}
		if n = binary.LittleEndian.Uint32(b[:]); n == 0xffffffff {
			return nil
		}
	}
}

// root reads the root directory.
func (v *volume) root() (*directory, error) {
	d := &directory{}
	left := min(maxDirectory, v.heap.Size*v.heap.Count)
	b := make([]byte, min(v.heap.Size, 1<<16))
	err := v.chain(v.rootAt, func(r extent.Range) (bool, error) {
		if left -= r.Len(); left < 0 {
			return false, fsmap.Unsafef(kind, "root directory does not end")
		}
		d.own = append(d.own, r)
		for off := r.Off; off < r.End; off += int64(len(b)) {
			if err := cluster.Read(v.r, b, off, "root directory"); err != nil {
				return false, err
			}
			if more, err := v.entries(d, b); err != nil || !more {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if len(d.bitmaps) != v.fats {
		return nil, fsmap.Unsafef(kind, "%d allocation bitmaps for %d FATs", len(d.bitmaps), v.fats)
	}
	return d, nil
}

// entries takes what matters from a piece of the root directory.
func (v *volume) entries(d *directory, b []byte) (more bool, err error) {
	for ; len(b) >= 32; b = b[32:] {
		f := file{binary.LittleEndian.Uint32(b[20:]), int64(binary.LittleEndian.Uint64(b[24:]))}
		switch b[0] {
		case typeEnd:
			return false, nil
		case typeLabel:
			d.label = cluster.UTF16(b[2 : 2+2*min(int(b[1]), 11)])
		case typeBitmap:
			if len(d.bitmaps) == v.fats || int(b[1]&1) != len(d.bitmaps) {
				return false, fsmap.Unsafef(kind, "allocation bitmap %d, and there are %d FATs", b[1]&1, v.fats)
			}
			d.bitmaps = append(d.bitmaps, f)
			fallthrough
		case typeUpcase:
			r, err := v.contiguous(f)
			if err != nil {
				return false, err
			}
			d.own = append(d.own, r)
		}
	}
	return true, nil
}

// contiguous is where a file of metadata is. Drivers read it as one piece, so
// one in several pieces is not understood alike by all.
func (v *volume) contiguous(f file) (extent.Range, error) {
	var all extent.Range
	if f.size <= 0 || f.size > v.heap.Count*v.heap.Size {
		return all, fsmap.Unsafef(kind, "metadata of %d bytes at cluster %d", f.size, f.first)
	}
	err := v.chain(f.first, func(r extent.Range) (bool, error) {
		if all.Empty() {
			all = r
		} else if r.Off != all.End {
			return false, fsmap.Unsafef(kind, "metadata at cluster %d is in pieces", f.first)
		}
		all.End = r.End
		return all.Len() < f.size, nil
	})
	if err == nil && all.Len() < f.size {
		err = fsmap.Unsafef(kind, "metadata at cluster %d ends after %d of %d bytes", f.first, all.Len(), f.size)
	}
	return all, err
}
