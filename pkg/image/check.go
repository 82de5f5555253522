package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Open reads the index of an image file of size bytes.
func Open(r io.ReaderAt, size int64) (File, error) {
	x, err := ReadIndex(r, size)
	return File{x, r}, err
}

// Check reads all of a file and compares every span with its digest, on all
// cores. seen is told of the spans that are done, from several goroutines; it
// may be nil. The error is that of the first bad span that was met.
func Check(ctx context.Context, file File, seen func(spans int64)) error {
	workers := runtime.GOMAXPROCS(0)
	u, err := NewUnpacker(workers)
	if err != nil {
		return err
	}
	defer u.Close()
	g, ctx := errgroup.WithContext(ctx)
	frames := make(chan Frame)
	g.Go(func() error {
		defer close(frames)
		for _, f := range file.Frames() {
			select {
			case frames <- f:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			stored, span := make([]byte, MaxFrame), make([]byte, MaxFrame)
			for f := range frames {
				if err := file.check(u, f, stored, span); err != nil {
					return err
				}
				if seen != nil {
					seen(f.Count)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (file File) check(u *Unpacker, f Frame, stored, span []byte) error {
	if f.Kind == Inherited {
		return badf(fmt.Sprintf("frame of span %d", f.First), "only the parent image has it")
	}
	stored = stored[:f.Stored]
	if err := readFull(file, stored, f.Off); err != nil {
		return fmt.Errorf("read the frame of span %d at byte %d: %w", f.First, f.Off, err)
	}
	if f.Kind == Empty {
		// What zstd makes of it must be what the index says, too.
		if string(stored) != string(emptyFrame(file.Range(f).Len())) {
			return badf(fmt.Sprintf("frame of span %d", f.First), "it is to hold zeros, and does not")
		}
		return nil
	}
	data, err := u.Unpack(span, stored, f, file.Range(f).Len())
	if err != nil {
		return err
	}
	r := file.Range(f)
	masked := append(stored[:0], data...)
	Mask(file.Used, r, masked)
	if string(masked) != string(data) {
		return badf(fmt.Sprintf("frame of span %d", f.First), "it holds something where the disk is not in use")
	}
	return nil
}

// IsDamaged tells whether an error says that a file is not what it should be,
// rather than that it could not be read.
func IsDamaged(err error) bool {
	var format *FormatError
	var digest *DigestError
	return errors.As(err, &format) || errors.As(err, &digest) || errors.Is(err, ErrNoIndex)
}
