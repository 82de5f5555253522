package imaging

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/qcow2"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// virtual reads the spans of a qcow2 image. It has no digests: damage shows
// only where a compressed cluster does not decode.
type virtual struct {
	name string
	file *transfer.Ranges
	disk *qcow2.Image
	bufs sync.Pool // *[]byte of a span
}

// openQcow2 opens a qcow2 image.
func openQcow2(ctx context.Context, o WriteOptions, file *transfer.Ranges) (*source, error) {
	disk, err := qcow2.Open(file.ReaderAt(ctx), file.Size())
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", o.Source, err)
	}
	used, err := disk.Used(ctx)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", o.Source, err)
	}
	if used.Len() > o.room { // its spans need not even be counted
		return nil, &TooSmallError{Disk: o.Disk, Have: o.room, Want: disk.Size()}
	}
	v := &virtual{name: o.Source, file: file, disk: disk}
	v.bufs.New = func() any { b := make([]byte, image.Span); return &b }
	whole := extent.Range{End: disk.Size()}
	return &source{
		name: o.Source, format: "qcow2", stored: file.Size(), spans: v, length: disk.Size(),
		// What a qcow2 does not have reads as zeros, and has to.
		sector: o.SectorSize, used: extent.NewSet(whole), frames: framesOf(disk.Size(), used),
	}, nil
}

// framesOf is a disk as frames: those spans that hold something, and runs of
// those that do not.
func framesOf(size int64, used extent.Set) []image.Frame {
	spans := (size + image.Span - 1) / image.Span
	run := max(image.MaxRun, spans>>16) // however large a disk of nothing says it is
	var frames []image.Frame
	next := int64(0) // the first span without a frame
	empty := func(end int64) {
		for next < end {
			n := min(run, end-next)
			frames = append(frames, image.Frame{Kind: image.Empty, First: next, Count: n})
			next += n
		}
	}
	for u := range used.All() {
		empty(u.Off / image.Span)
		for end := (min(u.End, size) + image.Span - 1) / image.Span; next < end; next++ {
			off := next * image.Span
			frames = append(frames, image.Frame{Kind: image.Data, First: next, Count: 1, Off: off, Stored: min(image.Span, size-off)})
		}
	}
	empty(spans)
	return frames
}

// find gives the frame that holds a span.
func find(frames []image.Frame, span int64) image.Frame {
	return frames[sort.Search(len(frames), func(k int) bool { return frames[k].First+frames[k].Count > span })]
}

func (v *virtual) read(ctx context.Context, frames []image.Frame, use func(image.Frame, []byte) error) error {
	buf := v.bufs.Get().(*[]byte)
	defer v.bufs.Put(buf)
	for _, f := range frames {
		data := (*buf)[:f.Stored]
		if n, err := v.disk.ReadAt(data, f.Off); n < len(data) {
			return fmt.Errorf("image %s: %w", v.name, err)
		}
		if err := use(f, data); err != nil {
			return err
		}
	}
	return nil
}

func (v *virtual) fetched() int64 { return v.file.Bytes() }
func (v *virtual) close()         { v.file.Close() }
