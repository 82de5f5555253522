package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// mostVolume is the most bytes that a volume may say it has, to be believed.
const mostVolume = 1 << 60

// volumeSize is how many bytes a filesystem says it has, by what its first MiB
// holds; 0 where there is none that is known.
func volumeSize(head []byte) int64 {
	le, be := binary.LittleEndian, binary.BigEndian
	var blocks, size uint64
	switch {
	case len(head) < 128<<10:
	case le.Uint16(head[1080:]) == 0xef53: // ext
		blocks, size = uint64(le.Uint32(head[1028:])), 1024<<(le.Uint32(head[1048:])&31)
		if le.Uint32(head[1120:])&0x80 != 0 { // with 64 bits
			blocks |= uint64(le.Uint32(head[1360:])) << 32
		}
	case bytes.HasPrefix(head, []byte("XFSB")):
		blocks, size = be.Uint64(head[8:]), uint64(be.Uint32(head[4:]))
	case bytes.HasPrefix(head[3:], []byte("NTFS    ")):
		blocks, size = le.Uint64(head[40:]), uint64(le.Uint16(head[11:]))
	case bytes.HasPrefix(head[54:], []byte("FAT1")), bytes.HasPrefix(head[82:], []byte("FAT32")):
		blocks, size = uint64(le.Uint16(head[19:])), uint64(le.Uint16(head[11:]))
		if blocks == 0 {
			blocks = uint64(le.Uint32(head[32:]))
		}
	case bytes.HasPrefix(head[64<<10+64:], []byte("_BHRfS_M")) && le.Uint64(head[64<<10+136:]) == 1: // btrfs on one device
		blocks, size = le.Uint64(head[64<<10+112:]), 1
	}
	if size == 0 || blocks > mostVolume/size {
		return 0
	}
	return int64(blocks * size)
}

// ChunksEnd is what is known of where the disk of an .ndz image ends. The chunks do
// not tell how many they are, but in some images of version 1: where whole ones
// are missing at the end, only what is on the disk tells.
type ChunksEnd struct {
	Name    string // of the image
	Have    int64  // bytes that all chunks speak for
	Head    []byte // first MiB of the disk
	Table   *partition.Table
	Version int  // of the image
	Counted bool // the headers say how many chunks there are, and so many there are
}

// Check gives the size of the disk, which r reads up to Have, or a *ShortImageError
// where something is missing: what the partition table speaks of, or what
// filesystems use. An image may well end before its filesystem: some of the real
// tools leave out the free space at the end. Those of version 1 all do.
func (e ChunksEnd) Check(ctx context.Context, r io.ReaderAt) (int64, error) {
	want, size := volumeSize(e.Head), e.Have
	if e.Table.Scheme != partition.SchemeNone {
		want = e.Table.End
		if want > e.Have && e.Version > 1 {
			return 0, &ShortImageError{Source: e.Name, Have: e.Have, Want: want}
		}
		size = max(size, want)
	}
	if want <= e.Have || e.Counted {
		return size, nil
	}
	disk := want
	if e.Table.Scheme != partition.SchemeNone {
		disk += edge // the end of a disk counts as in use in any case, but this is none
	}
	l, err := layout.Read(ctx, padded{r, e.Have}, disk, 512)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err == nil {
		want = l.Used.Intersect(extent.NewSet(extent.Range{End: want})).End()
	}
	if want <= e.Have {
		return size, nil
	}
	return 0, &ShortImageError{Source: e.Name, Have: e.Have, Want: want, Volume: true}
}

// endOf is what is known of the end of an .ndz image that did not lie at hand as a
// whole, all of which has come.
func (m *source) endOf(have int64) ChunksEnd {
	order := (*ndz.Order)(nil)
	if m.solo != nil {
		order = m.solo.order
	} else {
		order = m.flow.chunks.r.Order()
	}
	return ChunksEnd{m.name, have, m.head, m.table, order.Version(), order.Counted()}
}

// padded reads zeros behind the end of r, at size.
type padded struct {
	r    io.ReaderAt
	size int64
}

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(b)), p.size-off)))
	if n > 0 {
		if k, err := p.r.ReadAt(b[:n], off); k < n {
			return k, err
		}
	}
	clear(b[n:])
	return len(b), nil
}

// unfinished reads the disk as if what is held back were there already.
type unfinished struct{ w *write }

func (u unfinished) ReadAt(b []byte, off int64) (int, error) {
	// A new file ends where its last byte that is not zero does.
	if err := readAll(padded{u.w.dev, u.w.dev.Size()}, b, off); err != nil {
		return 0, err
	}
	here := extent.Range{Off: off, End: off + int64(len(b))}
	for _, h := range u.w.out.all(u.w.source.head) {
		in := here.Intersect(extent.Range{Off: h.off, End: h.off + int64(len(h.data))})
		if !in.Empty() {
			copy(b[in.Off-off:in.End-off], h.data[in.Off-h.off:])
		}
	}
	return len(b), nil
}
