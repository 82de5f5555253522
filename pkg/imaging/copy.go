package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// copy writes every byte that is saved, as it is or compressed.
func (s *save) copy(ctx context.Context, w io.Writer) error {
	var z io.WriteCloser
	if s.o.Format == RawZstd {
		var err error
		if z, err = stream.NewWriter(w, s.o.Level, 0); err != nil {
			return err
		}
		w = z
	}
	err := readAhead(ctx, s.reader(ctx, api.Write), s.part.Len(), func(data []byte) error {
		_, err := w.Write(data)
		s.read.Add(int64(len(data)))
		return err
	})
	if z != nil {
		// Closed in any case, for its goroutines; what it still writes after
		// an error is thrown away with the rest.
		err = errors.Join(err, z.Close())
	}
	return err
}

const (
	chunkSize = 4 << 20 // bytes of one read
	chunks    = 4       // read, or waiting to be used, at a time
)

// chunk is a part of a disk that is being read.
type chunk struct {
	off  int64
	data []byte
	read chan error // one value, when data is there
}

// readAhead hands the first size bytes of dev to use, in order, while what
// follows is already being read.
func readAhead(ctx context.Context, dev io.ReaderAt, size int64, use func([]byte) error) error {
	g, ctx := errgroup.WithContext(ctx)
	free := make(chan []byte, chunks)
	for range chunks {
		buf := blockdev.AllocAligned(chunkSize)
		defer blockdev.FreeAligned(buf)
		free <- buf
	}
	ordered := make(chan *chunk, chunks) // never full: there are no more buffers
	work := make(chan *chunk)
	g.Go(func() error {
		defer close(ordered)
		defer close(work)
		for off := int64(0); off < size; off += chunkSize {
			var buf []byte
			select {
			case buf = <-free:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			c := &chunk{off: off, data: buf[:min(chunkSize, size-off)], read: make(chan error, 1)}
			ordered <- c
			work <- c
		}
		return nil
	})
	for range chunks / 2 {
		g.Go(func() error {
			for c := range work {
				c.read <- c.fill(dev)
			}
			return nil
		})
	}
	g.Go(func() error {
		for c := range ordered {
			if err := <-c.read; err != nil {
				return err
			}
			if err := use(c.data); err != nil {
				return err
			}
			free <- c.data[:chunkSize]
		}
		return nil
	})
	return g.Wait()
}

// fill reads the chunk; the error tells its place.
func (c *chunk) fill(dev io.ReaderAt) error {
	n, err := dev.ReadAt(c.data, c.off)
	if n == len(c.data) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the disk has become smaller
	}
	return fmt.Errorf("read %s to %s (bytes %d to %d): %w", units.Bytes(c.off), units.Bytes(c.off+int64(len(c.data))), c.off, c.off+int64(len(c.data))-1, err)
}
