package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// verify reads all of a file that is to become the image called name. An Orbit
// image must have every span as its index says, an .ndz image every chunk as its
// header says, and all that its filesystems use; any other zstd file must decode, and have all that its partition
// table speaks of. Other files may be anything.
func verify(ctx context.Context, path, name string) error {
	file, f, err := openImage(path)
	if f != nil {
		defer f.Close()
	}
	if err == nil {
		return image.Check(ctx, file, nil)
	}
	if !errors.Is(err, image.ErrNoIndex) {
		return err
	}
	head := make([]byte, ndz.HeaderSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case ndz.Sniff(head[:n]) || strings.HasSuffix(name, ndzSuffix):
		return verifyNDZ(ctx, f, name)
	case stream.Detect(head[:n]) == stream.Zstd:
		return verifyZstd(ctx, f)
	case strings.HasSuffix(name, ".zst"):
		return errors.New("it is called .zst, and does not begin as a zstd file does")
	}
	return nil
}

// headSize is where partition tables are, from the beginning of a disk.
const headSize = 1 << 20

// verifyZstd decodes a zstd file without an index.
func verifyZstd(ctx context.Context, r io.Reader) error {
	var indexed atomic.Bool
	d, err := stream.NewReader(readerContext{ctx, r}, stream.Options{
		Wanted: func(magic uint32, size int64) bool {
			if image.IsIndex(magic) {
				indexed.Store(true)
			}
			return false
		},
		Skipped: func([]byte) {},
	})
	if err != nil {
		return err
	}
	defer d.Close()
	var head []byte
	for {
		b, err := d.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		head = append(head, b.Data[:min(len(b.Data), headSize-len(head))]...)
		b.Release()
	}
	if indexed.Load() {
		return errors.New("it has the frame of an Orbit image's index, and not the end of one (damaged)")
	}
	sector, _ := partition.Sniff(head)
	table, err := partition.ReadHead(head, cmp.Or(sector, 512))
	if err == nil && table.End > d.Offset() {
		return fmt.Errorf("its disk ends at byte %d, and its partition table speaks of %d bytes (cut off where it was made?)", d.Offset(), table.End)
	}
	return nil
}

// readerContext fails once its context is done.
type readerContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerContext) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
