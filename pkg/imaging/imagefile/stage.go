package imagefile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// temporary makes a file that has no name any more, for what must be read at random
// and cannot be where it is.
type temporary func() (*os.File, error)

// somewhere is where others put such files.
func somewhere() (*os.File, error) {
	f, err := os.CreateTemp("", "orbit-*.ndz")
	if err != nil {
		return nil, err
	}
	return nameless(f)
}

func nameless(f *os.File) (*os.File, error) {
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ExpandNdz gives the .ndz image in a compressed file, as a file without a name in
// the directory for temporary files, and nil if there is none in it. events may be
// nil.
func ExpandNdz(ctx context.Context, file *transfer.Ranges, events api.Sink) (*os.File, error) {
	o := Options{Events: events}
	if events == nil {
		o.Events = api.Discard
	}
	head := make([]byte, min(file.Size(), ndz.HeaderSize))
	if _, err := file.ReaderAt(ctx).ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return o.packedNdz(ctx, file, head, somewhere)
}

// packedNdz gives the .ndz image in a compressed file that begins with head.
func (o *Options) packedNdz(ctx context.Context, file *transfer.Ranges, head []byte, temp temporary) (*os.File, error) {
	if stream.Detect(head) == stream.Raw {
		return nil, nil
	}
	return o.stageNdz(file.Stream(ctx, 0, file.Size()), file.Size(), file.Bytes, temp)
}

// stageNdz decodes an .ndz image that can only be read as a stream of so many bytes,
// and gives nil for anything else. It closes src.
func (o *Options) stageNdz(src io.ReadCloser, size int64, read func() int64, temp temporary) (*os.File, error) {
	r, err := stream.NewReader(src, stream.Options{})
	if err != nil {
		src.Close()
		return nil, err
	}
	defer r.Close()
	defer src.Close() // first, for the other may be waiting for it
	head := make([]byte, ndz.HeaderSize)
	n, err := io.ReadFull(r, head)
	if !ndz.Sniff(head[:n]) {
		return nil, nil // what is wrong with it others tell
	}
	if err != nil {
		return nil, err
	}
	f, err := temp()
	if err != nil {
		return nil, err
	}
	m := startMeter(o.Events, api.Fetch, max(size, 0))
	_, err = io.Copy(f, io.MultiReader(bytes.NewReader(head), r))
	m.done.Store(read())
	if m.end(err); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
