package ndz

import (
	"errors"

	"github.com/orbit-pxe/orbit/pkg/ndz/inflate"
)

// inflater fills buffers from a stream.
type inflater struct {
	z     inflate.Reader
	size  int    // of the stream, in bytes
	piece []byte // expanded, and not taken yet
}

// reset begins with a stream.
func (f *inflater) reset(stream []byte) {
	f.z.Reset(stream)
	f.size, f.piece = len(stream), nil
}

// read fills p. Where it does not, io.EOF is the end of the stream, whose
// checksum is right.
func (f *inflater) read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(f.piece) == 0 {
			if f.piece, err = f.z.Next(); err != nil {
				return n, err
			}
		}
		m := copy(p[n:], f.piece)
		f.piece, n = f.piece[m:], n+m
	}
	return n, nil
}

// rest is how many bytes are behind the end of the stream.
func (f *inflater) rest() int { return f.size - f.z.Consumed() }

// cut tells whether err means that the stream does not end where it should.
func cut(err error) bool {
	var broken *inflate.Error
	return errors.As(err, &broken) && broken.Fault == inflate.Truncated
}
