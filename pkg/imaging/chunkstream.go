package imaging

import (
	"bytes"
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// chunkStream is an .ndz image that comes from its first byte to its last.
type chunkStream struct {
	o     ndz.Options
	r     *ndz.Reader
	first *ndz.Chunk // one that reaches beyond the head, and has been read; or nil
	used  extent.Set // by all chunks so far
}

// errHead ends the expanding of a chunk for the head of its disk.
var errHead = errors.New("behind the head")

// peekChunks expands the head of a disk from the begin of an .ndz image, of
// which m.head has been read.
func (m *source) peekChunks(o WriteOptions) error {
	if o.trusts() {
		return o.trust(nil)
	}
	c := &chunkStream{o: ndz.Options{Target: o.slice}}
	c.r = ndz.NewReader(io.MultiReader(bytes.NewReader(m.head), m.flow), c.o)
	head, d := make([]byte, headSize), ndz.NewDecoder(c.o)
	for c.first == nil {
		k, err := c.r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return chunkError(m.name, err)
		}
		m.format = chunkFormat(k.Header.Version)
		c.see(&k.Header)
		err = d.Decode(context.Background(), &k.Header, k.Data, func(off int64, data []byte) error {
			if off >= headSize {
				return errHead
			}
			copy(head[off:], data)
			return nil
		})
		if err != nil && err != errHead {
			return chunkError(m.name, &ndz.ChunkError{Index: k.Index, Err: err})
		}
		if k.Header.Last > headSize/ndz.Sector {
			c.first = k
		} else {
			k.Release()
		}
	}
	m.head = head[:min(headSize, c.r.Size())]
	m.flow.chunks = c
	return m.readTable(o.SectorSize)
}

// see notes what a chunk has in use.
func (c *chunkStream) see(h *ndz.Header) {
	for _, r := range h.Regions {
		c.used.Add(r.Range())
	}
}

// next gives the next chunk.
func (c *chunkStream) next() (*ndz.Chunk, error) {
	if k := c.first; k != nil {
		c.first = nil
		return k, nil
	}
	k, err := c.r.Next()
	if err == nil {
		c.see(&k.Header)
	}
	return k, err
}

// pourChunks expands and writes all of a stream of chunks but what is held back.
func (w *write) pourChunks(ctx context.Context) error {
	m, r, c := w.source, w.report, w.source.flow.chunks
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.remember(0, m.head)
	w.passRoom()
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, w.out.written.Load(), 0)
		r.progress(api.Fetch, m.fetched(), max(0, m.stored))
	})
	err := w.pipeChunks(ctx, c)
	stop()
	if err != nil {
		return err
	}
	r.done(api.Fetch, m.fetched(), "")
	w.bytes = c.r.Size()
	// The last sector of a file may be short.
	m.length, m.used = w.bytes, c.used.Intersect(extent.NewSet(extent.Range{End: w.bytes}))
	return nil
}

// pipeChunks expands what c still has on all cores. When it returns, no write is
// under way any more.
func (w *write) pipeChunks(ctx context.Context, c *chunkStream) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, w.source.cancel) // makes a read return
	defer stop()
	work := make(chan *ndz.Chunk)
	for range chunkWorkers {
		g.Go(func() error {
			var x *expander
			for k := range work {
				if x == nil {
					x = &expander{w: w, d: ndz.NewDecoder(c.o), least: headSize}
				}
				err := x.expand(ctx, &k.Header, k.Data)
				k.Release()
				var bad *ndz.ChunkError
				switch {
				case errors.As(err, &bad):
					return chunkError(w.source.name, err)
				case err != nil:
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		for {
			k, err := c.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return chunkError(w.source.name, err)
			}
			if err := w.takes(&k.Header, c.r.Size()); err != nil {
				return err
			}
			select {
			case work <- k:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
	return g.Wait()
}

// takes tells whether the disk has room for a chunk. Where there is no partition
// table to tell how far the image goes, what is free counts, too: the filesystem
// believes to have it.
func (w *write) takes(h *ndz.Header, size int64) error {
	end := min(h.Regions[len(h.Regions)-1].Range().End, size)
	if w.source.table.Scheme == partition.SchemeNone {
		end = size
	}
	if end > w.target.room {
		return &TooSmallError{Disk: w.target.path, Have: w.target.room, Want: end}
	}
	return nil
}
