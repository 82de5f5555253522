package imaging

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

const (
	// groupSize is the most that is asked for at a time, in bytes of the file.
	groupSize = 4 << 20

	// spanTries is how often a span is fetched that is not what it should be.
	spanTries = 3
)

// indexed reads the spans of an Orbit image.
type indexed struct {
	name  string
	file  *transfer.Ranges
	again func(context.Context) (*transfer.Ranges, error) // opens the file anew
	index *image.Index
	unzip *image.Unpacker
	bufs  sync.Pool // *fetchBuf
	note  func(string)
}

type fetchBuf struct{ stored, span []byte }

// openIndexed reads the index of an Orbit image. It gives nil where the file
// is something else.
func openIndexed(ctx context.Context, o WriteOptions, file *transfer.Ranges) (*source, error) {
	x, err := image.ReadIndex(file.ReaderAt(ctx), file.Size())
	if errors.Is(err, image.ErrNoIndex) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", o.Source, err)
	}
	if x.Partial() {
		return nil, fmt.Errorf("image %s is only the difference to its parent %s, not an image to write (let a head put it together)", o.Source, x.Meta.Parent)
	}
	unzip, err := image.NewUnpacker(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	d := &indexed{name: o.Source, file: file, index: x, unzip: unzip}
	d.again = func(ctx context.Context) (*transfer.Ranges, error) {
		return transfer.OpenRanges(ctx, o.Source, transfer.Options{Patience: o.Patience, Log: o.Log, Tail: 1})
	}
	d.bufs.New = func() any { return &fetchBuf{make([]byte, groupSize), make([]byte, image.MaxFrame)} }
	return &source{
		name: o.Source, format: "orbit image", stored: file.Size(), spans: d, index: x,
		sector: x.Sector, length: x.Size, used: x.Used, frames: x.Frames(),
	}, nil
}

func (d *indexed) read(ctx context.Context, frames []image.Frame, use func(image.Frame, []byte) error) error {
	buf := d.bufs.Get().(*fetchBuf)
	defer d.bufs.Put(buf)
	first, last := frames[0], frames[len(frames)-1]
	stored := buf.stored[:last.Off+last.Stored-first.Off]
	if err := d.file.ReadRange(ctx, stored, first.Off); err != nil {
		return err
	}
	for _, f := range frames {
		data, err := d.unpack(ctx, buf, stored[f.Off-first.Off:][:f.Stored], f)
		if err != nil {
			return err
		}
		if err := use(f, data); err != nil {
			return err
		}
	}
	return nil
}

// unpack decodes a span, and fetches it again where it is damaged.
func (d *indexed) unpack(ctx context.Context, buf *fetchBuf, stored []byte, f image.Frame) ([]byte, error) {
	size := d.index.Range(f).Len()
	f = find(d.index.Frames(), f.First) // what is wanted of it may be less: see cut
	for try := 1; ; try++ {
		data, err := d.unzip.Unpack(buf.span, stored, f, size)
		if err == nil {
			return data, nil
		}
		if try == spanTries {
			return nil, fmt.Errorf("image %s: %w (fetched %d times: the file is damaged where it is kept)", d.name, err, try)
		}
		if d.note != nil {
			d.note(fmt.Sprintf("%v; fetching it again", err))
		}
		if err := d.refetch(ctx, stored, f.Off); err != nil {
			return nil, err
		}
	}
}

// refetch reads p from the file itself: what came with its index is kept in
// memory, and would be as wrong the next time.
func (d *indexed) refetch(ctx context.Context, p []byte, off int64) error {
	file, err := d.again(ctx)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.ReadRange(ctx, p, off)
}

func (d *indexed) fetched() int64 { return d.file.Bytes() }

func (d *indexed) close() {
	d.file.Close()
	d.unzip.Close()
}

// spansAt is an image that is read span by span as an io.ReaderAt, for a few
// reads here and there.
type spansAt struct {
	ctx  context.Context
	m    *source
	span int64 // that data holds, -1 for none
	data []byte
}

func (s *spansAt) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if err := s.load(at / image.Span); err != nil {
			return n, err
		}
		in := at % image.Span
		if in >= int64(len(s.data)) {
			return n, errors.New("read behind the end of the image")
		}
		n += copy(p[n:], s.data[in:])
	}
	return n, nil
}

func (s *spansAt) load(span int64) error {
	if s.span == span {
		return nil
	}
	if span*image.Span >= s.m.length {
		return errors.New("read behind the end of the image")
	}
	s.span, s.data = -1, append(s.data[:0], make([]byte, min(image.Span, s.m.length-span*image.Span))...)
	f := find(s.m.frames, span)
	if f.Kind == image.Data {
		err := s.m.spans.read(s.ctx, []image.Frame{f}, func(_ image.Frame, data []byte) error {
			copy(s.data, data)
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.span = span
	return nil
}
