package imagefile

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// job is one span on its way: read and worked on out of order, used in order. A
// fixed number of them goes round.
type job struct {
	span   int64
	buf    []byte // a span long
	data   []byte // of buf
	frame  []byte
	packed image.Packed
	done   chan error // one value when it was worked on
}

// eachSpan has all spans of a disk read, worked on by all cores, and used in
// order. It tells of its progress.
func eachSpan(ctx context.Context, d *disk, events api.Sink, work func(*job) error, use func(*job) error) (err error) {
	m := startMeter(events, api.Write, d.size)
	defer func() { m.end(err) }()
	workers := runtime.GOMAXPROCS(0) + 1 // one more, since some wait for the disk
	jobs := 3 * workers
	free, todo, ordered := make(chan *job, jobs), make(chan *job, jobs), make(chan *job, jobs)
	for range jobs {
		free <- &job{buf: make([]byte, image.Span), done: make(chan error, 1)}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		defer close(ordered)
		for off := int64(0); off < d.size; off += image.Span {
			select {
			case j := <-free:
				j.span, j.data = off/image.Span, j.buf[:min(image.Span, d.size-off)]
				todo <- j // neither is ever full: there are no more jobs
				ordered <- j
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for j := range todo {
				err := context.Cause(ctx)
				if err == nil {
					err = d.read(j)
				}
				if err == nil {
					err = work(j)
				}
				j.done <- err
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range ordered {
			if err := <-j.done; err != nil {
				return err
			}
			if err := use(j); err != nil {
				return err
			}
			m.add(int64(len(j.data)))
			free <- j
		}
		return nil
	})
	return g.Wait()
}

// read fills a job with its span.
func (d *disk) read(j *job) error {
	off := j.span * image.Span
	if !d.data.Overlaps(extent.Range{Off: off, End: off + int64(len(j.data))}) {
		clear(j.data)
		return nil
	}
	n, err := d.ReadAt(j.data, off)
	if n == len(j.data) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read bytes %d to %d of the disk: %w", off, off+int64(len(j.data))-1, err)
}

// writeImage writes what is in use of the disk as an Orbit image.
func (o *Options) writeImage(ctx context.Context, w *os.File, d *disk) (*image.Index, error) {
	p, err := image.NewPacker(o.Level, runtime.GOMAXPROCS(0)+1)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := image.NewWriter(w, image.Index{Size: d.size, Sector: d.sector, Used: d.used, Meta: d.meta})
	if err != nil {
		return nil, err
	}
	err = eachSpan(ctx, d, o.Events, func(j *job) error {
		off := j.span * image.Span
		image.Mask(d.used, extent.Range{Off: off, End: off + int64(len(j.data))}, j.data)
		j.packed = p.Pack(j.frame[:0], j.data)
		if j.packed.Frame != nil {
			j.frame = j.packed.Frame
		}
		return nil
	}, func(j *job) error { return out.Append(j.packed) })
	if err != nil {
		return nil, err
	}
	x, err := out.Close()
	if err != nil {
		return nil, err
	}
	return x, o.keepSignature(w, d, x)
}

// keepSignature gives an image that was only compressed anew the signature that
// it had.
func (o *Options) keepSignature(w *os.File, d *disk, x *image.Index) error {
	if d.index == nil || d.index.Signature == nil {
		return nil
	}
	if x.Root() != d.index.Root() {
		d.note(o, "the signature is lost: the image says other things of itself than before")
		return nil
	}
	x.Signature = d.index.Signature
	if _, err := w.Seek(x.DataEnd(), io.SeekStart); err != nil {
		return err
	}
	return image.WriteIndex(w, x) // it is longer than the one that is there
}

// compress writes all of the disk as a zstd stream.
func (o *Options) compress(ctx context.Context, w io.Writer, d *disk) error {
	z, err := stream.NewWriter(w, o.Level, 0)
	if err != nil {
		return err
	}
	err = eachSpan(ctx, d, o.Events, func(*job) error { return nil }, func(j *job) error {
		_, err := z.Write(j.data)
		return err
	})
	if end := z.Close(); err == nil { // closed in any case, for its goroutines
		err = end
	}
	return err
}
