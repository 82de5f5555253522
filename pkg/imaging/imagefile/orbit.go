package imagefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// unpacked is the disk in an Orbit image. Every span is checked when it is read.
type unpacked struct {
	image.File
	unzip *image.Unpacker
	bufs  sync.Pool // *buffers
}

// buffers are a reader's. They keep the last span: others want it in many small
// parts.
type buffers struct {
	stored, plain []byte
	span          []byte // of plain; nil: none
	off           int64  // of the frame that it is of
}

// openImage opens an Orbit image, and gives nil where the file is something else.
func openImage(ctx context.Context, r io.ReaderAt, file *transfer.Ranges) (*disk, error) {
	f, err := image.Open(r, file.Size())
	if errors.Is(err, image.ErrNoIndex) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f.Partial() {
		return nil, fmt.Errorf("it is only the difference to its parent %s (a head puts them together)", f.Meta.Parent)
	}
	ahead := newAhead(ctx, file)
	u := &unpacked{File: image.File{Index: f.Index, ReaderAt: ahead}}
	if u.unzip, err = image.NewUnpacker(runtime.GOMAXPROCS(0)); err != nil {
		return nil, err
	}
	u.bufs.New = func() any {
		return &buffers{stored: make([]byte, image.MaxFrame), plain: make([]byte, image.MaxFrame)}
	}
	var data extent.Set
	for _, frame := range f.Frames() {
		if frame.Kind == image.Data {
			data.Add(f.Range(frame))
		}
	}
	return &disk{
		ReaderAt: spans{u}, size: f.Size, kind: "Orbit image", sector: f.Sector, data: data, index: f.Index,
		close: func() { u.unzip.Close(); ahead.close(); file.Close() },
	}, nil
}

// spans reads what the image is of; the image itself is an io.ReaderAt too, of
// its file.
type spans struct{ *unpacked }

func (s spans) ReadAt(p []byte, off int64) (n int, err error) {
	b := s.bufs.Get().(*buffers)
	defer s.bufs.Put(b)
	for n < len(p) && off < s.Size {
		f := s.Find(off / image.Span)
		r := s.Range(f)
		want := p[n:min(int64(len(p)), int64(n)+r.End-off)]
		if f.Kind == image.Empty {
			clear(want)
		} else {
			if b.span == nil || b.off != f.Off {
				if err := s.unpack(b, f, r.Len()); err != nil {
					return n, err
				}
			}
			copy(want, b.span[off-r.Off:])
		}
		n += len(want)
		off += int64(len(want))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// unpack reads a span into b.
func (s spans) unpack(b *buffers, f image.Frame, size int64) (err error) {
	stored := b.stored[:f.Stored]
	b.span, b.off = nil, f.Off
	if _, err := s.File.ReadAt(stored, f.Off); err != nil {
		return err
	}
	b.span, err = s.unzip.Unpack(b.plain, stored, f, size)
	return err
}
