package imaging

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/image"
)

// fetchers is how many groups of spans are fetched, decoded and written at a
// time: the writing of some covers the fetching of others.
const fetchers = 6

// fetch fetches and writes groups of frames.
func (p *pass) fetch(ctx context.Context, g *errgroup.Group, groups <-chan []image.Frame) {
	for range fetchers {
		g.Go(func() error {
			for group := range groups {
				if err := p.w.begin(ctx); err != nil {
					return err
				}
				if err := p.w.source.spans.read(ctx, group, p.put(ctx)); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// fetchAll fetches and writes frames, which are in the order of the file.
func (p *pass) fetchAll(ctx context.Context, frames []image.Frame) error {
	g, ctx := errgroup.WithContext(ctx)
	groups := make(chan []image.Frame)
	g.Go(func() error {
		defer close(groups)
		for len(frames) > 0 {
			n := 1
			for n < len(frames) && joins(frames[:n], frames[n]) {
				n++
			}
			select {
			case groups <- frames[:n]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			frames = frames[n:]
		}
		return nil
	})
	p.fetch(ctx, g, groups)
	return g.Wait()
}

// joins tells whether a group, with a frame more, is one piece of the file.
func joins(group []image.Frame, f image.Frame) bool {
	first, last := group[0], group[len(group)-1]
	return last.Off+last.Stored == f.Off && f.Off+f.Stored-first.Off <= groupSize
}

// put gives the function that writes fetched spans.
func (p *pass) put(ctx context.Context) func(image.Frame, []byte) error {
	return func(f image.Frame, data []byte) error {
		if err := p.w.putSpan(ctx, f, data); err != nil {
			return err
		}
		p.seen.Add(p.w.usedIn(f))
		return nil
	}
}
