package imaging

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
)

const (
	// A disk that held something else all over would be read in vain. After so
	// many spans that differ in a row only every eighth is looked at, until
	// one is found that does not.
	hopeless = 16
	probe    = 8
)

// pass goes over the disk once and makes it hold the frames of the image,
// fetching only those of spans that differ.
type pass struct {
	w    *write
	miss atomic.Int64 // spans in a row that differed
	kept atomic.Int64 // bytes in use that were right already
	seen atomic.Int64 // bytes in use that are right by now

	look   bool          // only finds out what has to be fetched
	needed []image.Frame // that is, in the order of the file
}

// passJob is a frame that is being compared.
type passJob struct {
	frame image.Frame
	same  bool
	done  chan struct{}
}

// run makes the disk hold the frames, which are in the order of the disk.
func (p *pass) run(ctx context.Context, frames []image.Frame) error {
	workers := runtime.GOMAXPROCS(0)
	ahead := workers + 2*fetchers
	work, ordered := make(chan *passJob), make(chan *passJob, ahead)
	groups := make(chan []image.Frame)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		defer close(ordered)
		for _, f := range frames {
			j := &passJob{frame: f, done: make(chan struct{})}
			select {
			case ordered <- j:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			select {
			case work <- j:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			buf := blockdev.AllocAligned(image.Span)
			defer blockdev.FreeAligned(buf)
			for j := range work {
				if err := p.decide(ctx, j, buf); err != nil {
					return err
				}
				close(j.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(groups)
		return p.collect(ctx, ordered, groups)
	})
	if p.look {
		g.Go(func() error {
			for group := range groups {
				p.needed = append(p.needed, group...)
			}
			return nil
		})
	} else {
		p.fetch(ctx, g, groups)
	}
	return g.Wait()
}

// decide finds out whether the disk holds a frame already. Where zeros are
// wanted and are not there, they are written at once.
func (p *pass) decide(ctx context.Context, j *passJob, buf []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	used := p.w.usedIn(j.frame)
	look := p.w.comparable(j.frame) && (p.miss.Load() < hopeless || j.frame.First%probe == 0)
	if look {
		var err error
		if j.same, err = p.w.holds(ctx, j.frame, buf); err != nil {
			return err
		}
	}
	switch {
	case j.same:
		p.miss.Store(0)
		p.kept.Add(used)
	case used == 0:
		j.same = true
	case j.frame.Kind == image.Empty:
		if err := p.w.begin(ctx); err != nil {
			return err
		}
		if err := p.w.zero(ctx, j.frame); err != nil {
			return err
		}
		j.same = true
	default:
		p.miss.Add(1)
		return nil
	}
	p.seen.Add(used)
	return nil
}

// collect puts frames that have to be fetched into groups that are one piece of
// the file.
func (p *pass) collect(ctx context.Context, ordered <-chan *passJob, groups chan<- []image.Frame) error {
	var group []image.Frame
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		select {
		case groups <- group:
			group = nil
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for j := range ordered {
		select {
		case <-j.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if j.same {
			continue
		}
		if len(group) > 0 && !joins(group, j.frame) {
			if err := flush(); err != nil {
				return err
			}
		}
		group = append(group, j.frame)
	}
	return flush()
}

// usedIn is how many bytes of a frame are in use.
func (w *write) usedIn(f image.Frame) int64 {
	n := int64(0)
	for r := range w.source.used.Within(w.source.rangeOf(f)) {
		n += r.Len()
	}
	return n
}

// rangeOf is where a frame is on the disk.
func (m *source) rangeOf(f image.Frame) extent.Range {
	return extent.Range{Off: f.First * image.Span, End: min((f.First+f.Count)*image.Span, m.length)}
}

// putSpan writes the used parts of a span.
func (w *write) putSpan(ctx context.Context, f image.Frame, data []byte) error {
	span := w.source.rangeOf(f)
	for r := range closeBy(w.source.used, span) {
		r.End = min(r.End, w.target.room)
		part := data[r.Off-span.Off : r.End-span.Off]
		if err := w.out.put(ctx, r.Off, part, false); err != nil {
			return err
		}
	}
	w.remember(span.Off, data[:min(int64(len(data)), max(0, w.target.room-span.Off))])
	return nil
}

// zero makes the used parts of an empty frame read as zeros.
func (w *write) zero(ctx context.Context, f image.Frame) error {
	for r := range w.source.used.Within(w.source.rangeOf(f)) {
		if err := w.out.putZeros(ctx, r.Off, r.Len()); err != nil {
			return err
		}
	}
	return nil
}
