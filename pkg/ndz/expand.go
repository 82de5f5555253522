package ndz

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"
)

// Each expands the chunks from first to, not including, end on several cores,
// in no order, and calls use from them at the same time, as Decoder.Decode does
// for each. It returns when all calls have, with the first error.
func (m *Image) Each(ctx context.Context, first, end int64, use func(off int64, data []byte) error) error {
	next := first
	return expand(ctx, m.o, use, func() (*Chunk, error) {
		if next >= end {
			return nil, io.EOF
		}
		c := m.pool.Get().(*Chunk)
		c.Index = next
		next++
		return c, nil
	}, func(c *Chunk) error { return m.load(c.Index, c) })
}

// Each expands the chunks that have not been read yet on several cores, while
// others are read, and calls use from them at the same time, as Decoder.Decode
// does for each. It returns when all calls have, with the first error: nil after
// the end of a complete image. Where that error is not that of a Read, a Read may
// have to be interrupted for it to return.
func (r *Reader) Each(ctx context.Context, use func(off int64, data []byte) error) error {
	return expand(ctx, r.order.o, use, r.Next, func(*Chunk) error { return nil })
}

// expand hands what next gives to workers, which load, expand and release it.
func expand(ctx context.Context, o Options, use func(int64, []byte) error, next func() (*Chunk, error), load func(*Chunk) error) error {
	g, ctx := errgroup.WithContext(ctx)
	chunks := make(chan *Chunk)
	for range o.workers() {
		g.Go(func() error {
			var d *Decoder
			for c := range chunks {
				if d == nil {
					d = NewDecoder(o)
				}
				err := load(c)
				if err == nil {
					err = at(c.Index, d.Decode(ctx, &c.Header, c.Data, use))
				}
				c.Release()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(chunks)
		for {
			c, err := next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			select {
			case chunks <- c:
			case <-ctx.Done():
				c.Release()
				return context.Cause(ctx)
			}
		}
	})
	return g.Wait()
}
