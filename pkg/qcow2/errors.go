package qcow2

import (
	"errors"
	"fmt"
	"io"
)

// ErrNotQcow2 reports a file that does not begin as a qcow2 image does.
var ErrNotQcow2 = errors.New("not a qcow2 image")

// UnsupportedError reports an image that is sound as far as read, but needs
// what this package does not do.
type UnsupportedError struct {
	Feature string // what it needs, such as "a backing file (base.qcow2)"
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("open qcow2 image: it needs %s, which is not supported", e.Feature)
}

// FormatError says where an image contradicts itself or is cut short.
type FormatError struct {
	Part   string // "header", "l1 table", "l2 table", "cluster"
	Off    int64  // place in the file, bytes
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("qcow2 %s at byte %d is broken: %s", e.Part, e.Off, e.Reason)
}

func broken(part string, off int64, format string, args ...any) error {
	return &FormatError{part, off, fmt.Sprintf(format, args...)}
}

// readFull reads len(b) bytes at off. A file that ends early is a
// *FormatError: it was checked to be long enough, so it shrank.
func readFull(r io.ReaderAt, b []byte, off int64, part string) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return broken(part, off, "the file ends after %d of its %d bytes", n, len(b))
	}
	return fmt.Errorf("read qcow2 %s at byte %d: %w", part, off, err)
}
