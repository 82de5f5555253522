package imaging

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// writers is how many writes may be under way at a time. With the block that
// waits for one of them, they are all that a stream.Reader lets its consumer hold.
const writers = stream.MaxHeld - 1

// leastZero is the shortest run of zeros, in bytes, that a disk is told to
// zero by itself instead of being sent: below that the command costs more than
// the data.
const leastZero = 256 << 10

// output lays the blocks of an image on a disk, several at a time.
type output struct {
	dev     device
	fresh   bool    // it reads as zeros where nothing was written: zeros need no writing
	room    int64   // the size of the disk, or no limit
	held    []*held // parts of the image that are not written but kept
	written atomic.Int64
	seen    func(off int64, data []byte) // told of each block that is in place; may be nil
}

// held is a part of the image that is kept for later.
type held struct {
	off  int64
	data []byte
}

// piece is a block and its place on the disk.
type piece struct {
	off   int64
	block *stream.Block
}

// unlimited is the room in a file that grows with the image.
const unlimited = math.MaxInt64

// copyFrom writes what r still has to the disk, beginning at off, and returns the
// offset of its end. When it returns, no write is under way any more. Where
// writing fails, it calls abort to make r return early.
func (o *output) copyFrom(ctx context.Context, r interface{ Next() (*stream.Block, error) }, off int64, abort func()) (int64, error) {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, abort)
	defer stop()
	pieces := make(chan piece)
	for range writers {
		g.Go(func() error {
			for p := range pieces {
				err := o.put(ctx, p.off, p.block.Data, p.block.Zero)
				if err == nil && o.seen != nil {
					o.seen(p.off, p.block.Data)
				}
				p.block.Release()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(pieces)
		for {
			b, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			end := off + int64(len(b.Data))
			if end > o.room {
				b.Release()
				return &TooSmallError{Disk: o.dev.Path(), Have: o.room, Want: end}
			}
			select {
			case pieces <- piece{off, b}:
				off = end
			case <-ctx.Done():
				b.Release()
				return context.Cause(ctx)
			}
		}
	})
	err := g.Wait()
	return off, err
}

// put writes data at off, except for what is held back. zero tells that data is
// known to be all zeros.
func (o *output) put(ctx context.Context, off int64, data []byte, zero bool) error {
	if off < headSize { // the head is held, too
		data = data[min(headSize-off, int64(len(data))):]
		off = headSize
	}
	if len(data) == 0 {
		return nil
	}
	for _, h := range o.held {
		end := off + int64(len(data))
		from, to := max(off, h.off), min(end, h.off+int64(len(h.data)))
		if from >= to {
			continue
		}
		copy(h.data[from-h.off:], data[from-off:to-off])
		if err := o.put(ctx, off, data[:from-off], zero); err != nil {
			return err
		}
		return o.put(ctx, to, data[to-off:], zero)
	}
	if zero && len(data) >= leastZero {
		return o.putRun(ctx, off, data, true)
	}
	least := leastZero
	if o.fresh {
		least = grain
	}
	return runs(data, least, func(r run) error {
		return o.putRun(ctx, off+int64(r.from), data[r.from:r.to], r.zero)
	})
}

// putRun writes data that is, or is not, to be zeroed by the disk itself.
func (o *output) putRun(ctx context.Context, off int64, data []byte, zero bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	n := int64(len(data))
	switch {
	case !zero:
		if _, err := o.dev.WriteAt(data, off); err != nil {
			return inRange(off, n, err)
		}
	case !o.fresh:
		if err := o.dev.Zero(ctx, off, n); err != nil {
			return inRange(off, n, err)
		}
	}
	o.written.Add(n)
	return nil
}

// putZeros makes n bytes at off read as zeros, except for what is held back.
func (o *output) putZeros(ctx context.Context, off, n int64) error {
	if o.fresh || n <= 0 {
		return nil
	}
	for _, h := range o.held {
		from, to := max(off, h.off), min(off+n, h.off+int64(len(h.data)))
		if from < to {
			if err := o.putZeros(ctx, off, from-off); err != nil {
				return err
			}
			return o.putZeros(ctx, to, off+n-to)
		}
	}
	if off < headSize { // the head is held, too
		n -= min(headSize-off, n)
		off = headSize
		if n == 0 {
			return nil
		}
	}
	if err := o.dev.Zero(ctx, off, n); err != nil {
		return inRange(off, n, err)
	}
	o.written.Add(n)
	return nil
}

// inRange tells which bytes of the disk a transfer was for.
func inRange(off, n int64, err error) error {
	return fmt.Errorf("write bytes %d to %d: %w", off, off+n-1, err)
}

// all is everything that is held back, the head included.
func (o *output) all(head []byte) []*held {
	return append([]*held{{0, head}}, o.held...)
}

// hold keeps the parts of the image at the given places, but for its head,
// which is held anyway.
func (o *output) hold(places []partition.Region) {
	for _, r := range places {
		from := max(r.Offset, headSize)
		if end := r.Offset + r.Size; end > from {
			o.held = append(o.held, &held{from, make([]byte, end-from)})
		}
	}
}
