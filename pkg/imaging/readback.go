package imaging

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// Verify is how it is made sure that the disk holds the image.
type Verify string

const (
	VerifyStream Verify = "stream" // what is written was checked on its way
	VerifyDisk   Verify = "disk"   // and is read back from the disk
)

// rewrites is how often what reads back wrong is written again.
const rewrites = 2

// ReadBackError reports that a disk does not hold what was written to it.
type ReadBackError struct {
	Disk  string
	Spans []int64 // MiB of the disk
}

func (e *ReadBackError) Error() string {
	return fmt.Sprintf("read back %s: %d MiB of it are not what was written, the first at %d MiB (failing disk, cable or memory? see dmesg)",
		e.Disk, len(e.Spans), e.Spans[0])
}

// writeSum is the digest of something that was written and that no index tells of.
type writeSum struct {
	off, n int64
	sum    image.Digest
}

// written remembers the digests of what was written, for reading it back.
type written struct {
	mu     sync.Mutex
	sums   []writeSum
	sealed bool // what is written from now on has to be the same again
}

// seal ends the remembering, and gives what is remembered.
func (w *written) seal() []writeSum {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = true
	return w.sums
}

// add remembers something unless that has ended.
func (w *written) add(s ...writeSum) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.sealed {
		w.sums = append(w.sums, s...)
	}
}

// remember notes what is written at off, where only that can tell later what
// should be there.
func (w *write) remember(off int64, data []byte) {
	w.written.add(w.sumsOf(nil, off, data)...)
}

// sumsOf appends what is to be remembered of data at off to list.
func (w *write) sumsOf(list []writeSum, off int64, data []byte) []writeSum {
	if w.o.Verify != VerifyDisk || w.source.index != nil {
		return list
	}
	for len(data) > 0 { // span by span
		n := min(image.Span-off%image.Span, int64(len(data)))
		list = append(list, writeSum{off, n, image.Sum(data[:n])})
		off, data = off+n, data[n:]
	}
	return list
}

// readBack reads all that the image has in use back from the disk itself. What
// is wrong is fetched and written again, where that is possible.
func (w *write) readBack(ctx context.Context) error {
	if w.source.index == nil {
		return w.readBackSums(ctx)
	}
	frames := w.source.frames
	for try := 0; ; try++ {
		if err := w.dev.DropCache(); err != nil {
			return err
		}
		bad, err := w.wrong(ctx, frames)
		if err != nil || len(bad) == 0 {
			return err
		}
		if try == rewrites {
			return w.readBackError(bad)
		}
		w.report.note(api.Verify, fmt.Sprintf("%v; writing them again", w.readBackError(bad)))
		if err := w.rewrite(ctx, bad); err != nil {
			return err
		}
		frames = bad
	}
}

func (w *write) readBackError(bad []image.Frame) error {
	e := &ReadBackError{Disk: w.target.path}
	for _, f := range bad {
		e.Spans = append(e.Spans, f.First)
	}
	return e
}

// wrong gives the frames that the disk does not hold.
func (w *write) wrong(ctx context.Context, frames []image.Frame) ([]image.Frame, error) {
	var mu sync.Mutex
	var bad []image.Frame
	err := each(ctx, slices.Values(frames), func(ctx context.Context, f image.Frame, buf []byte) error {
		same, err := w.holds(ctx, f, buf)
		if err == nil && !same {
			mu.Lock()
			bad = append(bad, f)
			mu.Unlock()
		}
		return err
	})
	order.Sort(bad, func(a, b image.Frame) int { return int(a.First - b.First) })
	return bad, err
}

// rewrite writes frames whether they are there or not.
func (w *write) rewrite(ctx context.Context, frames []image.Frame) error {
	for _, f := range frames {
		err := w.zero(ctx, f)
		if f.Kind == image.Data {
			err = w.source.spans.read(ctx, []image.Frame{f}, func(f image.Frame, data []byte) error { return w.putSpan(ctx, f, data) })
		}
		if err != nil {
			return err
		}
	}
	return w.dev.Sync()
}

// readBackSums compares the disk with the digests that were taken while
// writing, and with zeros where the image is known to be empty. What is wrong is
// fetched and written again, where the image is not a stream that is over.
func (w *write) readBackSums(ctx context.Context) error {
	var empty []image.Frame
	for _, f := range w.source.frames {
		if f.Kind == image.Empty {
			empty = append(empty, f)
		}
	}
	sums := w.written.seal()
	for try := 0; ; try++ {
		if err := w.dev.DropCache(); err != nil {
			return err
		}
		bad, err := w.wrong(ctx, empty)
		if err != nil {
			return err
		}
		differ, err := w.differ(ctx, sums)
		if err != nil || len(bad)+len(differ) == 0 {
			return err
		}
		failed := &ReadBackError{Disk: w.target.path}
		empty, sums = bad, differ
		for _, f := range bad {
			failed.Spans = append(failed.Spans, f.First)
		}
		for _, s := range differ {
			failed.Spans = append(failed.Spans, s.off/image.Span)
		}
		slices.Sort(failed.Spans)
		failed.Spans = slices.Compact(failed.Spans)
		if try == rewrites || !w.source.anyOrder() {
			return failed
		}
		w.report.note(api.Verify, fmt.Sprintf("%v; writing them again", failed))
		if c := w.source.chunks; c != nil {
			if err := c.rewrite(ctx, w, failed.Spans); err != nil {
				return err
			}
			continue
		}
		var again []image.Frame
		for _, span := range failed.Spans {
			again = append(again, find(w.source.frames, span))
		}
		if err := w.rewrite(ctx, again); err != nil {
			return err
		}
	}
}

// differ gives the parts of the disk that are not what was written, but for what
// is held back.
func (w *write) differ(ctx context.Context, sums []writeSum) (bad []writeSum, err error) {
	var mu sync.Mutex
	err = each(ctx, slices.Values(sums), func(_ context.Context, s writeSum, buf []byte) error {
		data := buf[:s.n]
		if err := readAll(w.dev, data, s.off); err != nil {
			return err
		}
		r := extent.Range{Off: s.off, End: s.off + s.n}
		for _, h := range w.out.all(w.source.head) {
			if in := r.Intersect(extent.Range{Off: h.off, End: h.off + int64(len(h.data))}); !in.Empty() {
				copy(data[in.Off-s.off:in.End-s.off], h.data[in.Off-h.off:])
			}
		}
		if image.Sum(data) != s.sum {
			mu.Lock()
			bad = append(bad, s)
			mu.Unlock()
		}
		return nil
	})
	return bad, err
}

// each calls f for every value, several at a time, each with a buffer of a span
// that it may use. No more values are taken than are in work.
func each[T any](ctx context.Context, all iter.Seq[T], f func(ctx context.Context, v T, buf []byte) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan T)
	g.Go(func() error {
		defer close(next)
		for v := range all {
			select {
			case next <- v:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := blockdev.AllocAligned(image.Span)
			defer blockdev.FreeAligned(buf)
			for v := range next {
				if err := f(ctx, v, buf); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
