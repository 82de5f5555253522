package imaging

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// chunkWorkers is how many chunks of an .ndz image are fetched, expanded and
// written at a time: the fetching and writing of some covers the expanding of
// others. Each takes some 5 MiB of memory.
const chunkWorkers = 6

// chunkFile is an .ndz image of which all headers are known, and whose chunks are
// read in any order.
type chunkFile struct {
	name  string
	image *ndz.Image
	o     ndz.Options
	file  *transfer.Ranges
	again func(context.Context) (*transfer.Ranges, error) // opens the file anew
	note  func(string)
	sums  *frisbee.Sums // to check what comes by multicast with; or nil
}

// openChunks reads the headers of an .ndz image. Whatever is wrong with one of
// them is known before anything is written.
func openChunks(ctx context.Context, o WriteOptions, file *transfer.Ranges) (*source, error) {
	c := &chunkFile{name: o.Source, o: ndz.Options{Target: o.slice, Workers: 2}, file: file}
	var err error
	if c.image, err = ndz.Open(ctx, &headers{ctx: ctx, file: file}, file.Size(), c.o); err != nil {
		return nil, chunkError(o.Source, err)
	}
	if o.Room != nil {
		if c.sums, err = sums(ctx, o, file.Size()); err != nil {
			return nil, err
		}
	}
	c.again = func(ctx context.Context) (*transfer.Ranges, error) {
		return transfer.OpenRanges(ctx, o.Source, transfer.Options{Patience: o.Patience, Log: o.Log, Tail: 1})
	}
	return &source{
		name: o.Source, format: chunkFormat(c.image.Version()), stored: file.Size(), chunks: c,
		sector: o.SectorSize, length: c.image.Size(), used: c.image.Used(),
	}, nil
}

func chunkFormat(version int) string { return fmt.Sprintf("ndz version %d", version) }

// chunkError is err in words for those who have the image.
func chunkError(name string, err error) error {
	if errors.Is(err, ndz.ErrSeal) {
		return fmt.Errorf("image %s is encrypted or signed, and no node has keys for that (convert it first: orbit image convert --ndz-key FILE): %w", name, err)
	}
	return fmt.Errorf("image %s: %w", name, err)
}

// headers reads a file for ndz.Open: headers in advance, several at a time. One
// by one they would take as long as the data where the server is far away.
type headers struct {
	ctx   context.Context
	file  *transfer.Ranges
	first int64  // chunk
	ready []byte // headers from first on
}

// headersAhead is how many headers are fetched at a time.
const headersAhead = 64

func (h *headers) ReadAt(p []byte, off int64) (int, error) {
	i := off / ndz.ChunkSize
	if len(p) != ndz.HeaderSize || off%ndz.ChunkSize != 0 {
		return h.file.ReaderAt(h.ctx).ReadAt(p, off)
	}
	if i < h.first || i >= h.first+int64(len(h.ready)/ndz.HeaderSize) {
		n := min(headersAhead, h.file.Size()/ndz.ChunkSize-i)
		h.first, h.ready = i, make([]byte, n*ndz.HeaderSize)
		g, ctx := errgroup.WithContext(h.ctx)
		for k := range n {
			g.Go(func() error {
				return h.file.ReadRange(ctx, h.ready[k*ndz.HeaderSize:][:ndz.HeaderSize], (i+k)*ndz.ChunkSize)
			})
		}
		if err := g.Wait(); err != nil {
			h.ready = nil
			return 0, err
		}
	}
	return copy(p, h.ready[(i-h.first)*ndz.HeaderSize:]), nil
}

// expand fetches, expands and writes all of an .ndz image but what is held back.
func (w *write) expand(ctx context.Context) error {
	m, r := w.source, w.report
	if err := w.loadHeld(ctx); err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	m.chunks.note = func(s string) { r.note(api.Fetch, s) }
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, w.out.written.Load(), m.used.Len())
		r.progress(api.Fetch, m.fetched(), m.stored)
	})
	var err error
	if w.o.Room != nil {
		err = w.expandRoom(ctx)
	} else {
		err = w.expandChunks(ctx, 0, m.chunks.image.Chunks())
	}
	stop()
	if err != nil {
		return err
	}
	r.done(api.Fetch, m.fetched(), m.ways())
	w.bytes = m.length
	return nil
}

// expandChunks fetches, expands and writes the chunks from first to, not
// including, end.
func (w *write) expandChunks(ctx context.Context, first, end int64) error {
	return w.expandAll(ctx, end-first, func(i int64) int64 { return first + i })
}

// expandAll fetches, expands and writes n chunks.
func (w *write) expandAll(ctx context.Context, n int64, index func(int64) int64) error {
	c := w.source.chunks
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(chunkWorkers, n) {
		g.Go(func() error {
			x := &expander{w: w, d: ndz.NewDecoder(c.o)}
			buf := make([]byte, ndz.ChunkSize)
			for {
				i := next.Add(1) - 1
				if i >= n {
					return nil
				}
				i = index(i)
				if err := c.file.ReadRange(ctx, buf, i*ndz.ChunkSize); err != nil {
					return err
				}
				if err := c.expand(ctx, x, i, buf); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// expand writes what came as a chunk, and fetches it again where it is damaged.
func (c *chunkFile) expand(ctx context.Context, x *expander, i int64, buf []byte) error {
	for try := 1; ; try++ {
		err := c.image.Parse(i, buf, &x.header)
		if err == nil {
			err = x.expand(ctx, &x.header, buf)
		}
		var defect ndz.Defect
		if err == nil || !errors.As(err, &defect) {
			return err
		}
		if try == spanTries {
			return fmt.Errorf("image %s: %w (fetched %d times: the file is damaged where it is kept)", c.name, err, try)
		}
		if c.note != nil {
			c.note(fmt.Sprintf("%v; fetching it again", err))
		}
		if err := c.refetch(ctx, buf, i); err != nil {
			return err
		}
	}
}

// refetch reads a chunk from the file itself, not from the end of it that is
// kept in memory.
func (c *chunkFile) refetch(ctx context.Context, buf []byte, i int64) error {
	file, err := c.again(ctx)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.ReadRange(ctx, buf, i*ndz.ChunkSize)
}

// rewrite writes the chunks that hold anything of the given spans again.
func (c *chunkFile) rewrite(ctx context.Context, w *write, spans []int64) error {
	done := int64(0)
	for _, s := range spans {
		first, end := c.image.Holding(spanRange(s))
		if err := w.expandChunks(ctx, max(first, done), end); err != nil {
			return err
		}
		done = max(done, end)
	}
	return w.dev.Sync()
}

func (c *chunkFile) close() { c.file.Close() }

// expander writes chunks to a disk, one at a time.
type expander struct {
	w      *write
	d      *ndz.Decoder
	header ndz.Header
	least  int64 // what belongs before it on the disk is left out
	sums   []writeSum
}

// expand writes what is in use of a chunk. The digests of what was written count
// only when all of the chunk has proved to be right.
func (x *expander) expand(ctx context.Context, h *ndz.Header, chunk []byte) error {
	x.sums = x.sums[:0]
	err := x.d.Decode(ctx, h, chunk, func(off int64, data []byte) error {
		data = data[min(max(0, x.least-off), int64(len(data))):]
		off = max(off, x.least)
		return x.put(ctx, off, data)
	})
	var defect ndz.Defect
	switch {
	case errors.As(err, &defect):
		return &ndz.ChunkError{Index: int64(h.Index), Err: err}
	case err != nil:
		return err // the disk's
	}
	x.w.written.add(x.sums...)
	return nil
}

// put writes a piece of a chunk, but for what has been cut out of the image.
func (x *expander) put(ctx context.Context, off int64, data []byte) error {
	if x.w.source.chunks == nil {
		return x.putPart(ctx, off, data)
	}
	for r := range x.w.source.used.Within(extent.Range{Off: off, End: off + int64(len(data))}) {
		if err := x.putPart(ctx, r.Off, data[r.Off-off:r.End-off]); err != nil {
			return err
		}
	}
	return nil
}

func (x *expander) putPart(ctx context.Context, off int64, data []byte) error {
	x.sums = x.w.sumsOf(x.sums, off, data)
	return x.w.out.put(ctx, off, data, false)
}
