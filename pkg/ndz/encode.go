package ndz

import (
	"context"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Write writes what is in use of the first size bytes of src as an image to w,
// on all cores. Each worker takes some 3 MiB of memory.
//
// A chunk's length is known only when its data is compressed, and what it begins
// with depends on the chunk before. So pieces of the disk are compressed side by
// side, in blocks that end at whole bytes, and whoever puts them into chunks, in
// order, is left to compress again the one block that a chunk ends in.
func Write(ctx context.Context, w io.Writer, src io.ReaderAt, size int64, used extent.Set, o WriteOptions) (*Written, error) {
	p, err := newPlan(size, used, o)
	if err != nil {
		return nil, err
	}
	out := newChunker(w, p)
	g, ctx := errgroup.WithContext(ctx)
	line := queue{pieces: pieces{plan: p, left: p.saved.Ranges()}, last: make(chan struct{})}
	close(line.last)
	for range p.Workers {
		g.Go(func() error { return line.work(ctx, src, out) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out.close()
}

// queue hands out pieces, and turns.
type queue struct {
	mu     sync.Mutex
	pieces pieces
	last   chan struct{} // closed when the latest piece is in its chunk
}

// work reads, compresses and puts into chunks a piece after the other. There are
// more workers than cores, so that some wait for the disk, or their turn, while
// others compress.
func (q *queue) work(ctx context.Context, src io.ReaderAt, out *chunker) error {
	buf := make([]byte, pieceLen)
	z := newPacker()
	for {
		c, turn, done, err := q.next(ctx, src, buf)
		if err != nil || len(c.blocks) == 0 {
			return err
		}
		z.pack(&c, buf)
		select {
		case <-turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := out.append(&c, z, buf); err != nil {
			return err
		}
		close(done)
	}
}

// next reads the next piece; the last has no blocks. It may go into a chunk when
// turn is closed, and closes done thereafter.
func (q *queue) next(ctx context.Context, src io.ReaderAt, buf []byte) (c piece, turn <-chan struct{}, done chan struct{}, err error) {
	q.mu.Lock()
	c, turn, done = q.pieces.next(), q.last, make(chan struct{})
	q.last = done
	p := q.pieces.plan
	if p.InOrder {
		defer q.mu.Unlock()
	} else {
		q.mu.Unlock()
	}
	if err := context.Cause(ctx); err != nil {
		return c, nil, nil, err
	}
	return c, turn, done, p.fill(src, &c, buf)
}
