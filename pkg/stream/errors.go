package stream

import (
	"errors"
	"fmt"
	"io"
)

// TruncatedError reports a stream that ends before it is complete.
// It wraps io.ErrUnexpectedEOF.
type TruncatedError struct {
	Format Format
	Offset int64 // decoded bytes delivered before the end
	Input  int64 // bytes of the stream that were there
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("decode %s: stream ends too early, after %d bytes (%d decoded): incomplete file or broken transfer: %v",
		e.Format, e.Input, e.Offset, io.ErrUnexpectedEOF)
}

func (e *TruncatedError) Unwrap() error { return io.ErrUnexpectedEOF }

// FormatError reports a stream that breaks the rules of its format: damaged,
// followed by something else, or using a feature that is not implemented.
type FormatError struct {
	Format Format
	Offset int64 // decoded bytes delivered before the fault was met
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("decode %s: stream damaged after %d decoded bytes: %v", e.Format, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// MemoryError reports a stream that cannot be decoded within
// Options.MaxMemory.
type MemoryError struct {
	Format Format
	Need   uint64 // bytes of history the stream refers back to, 0 where not known
	Max    uint64 // bytes allowed for it
}

func (e *MemoryError) Error() string {
	if e.Need == 0 {
		return fmt.Sprintf("decode %s: stream needs a larger dictionary than the %d MiB allowed (allow more memory, or compress again at a lower level)",
			e.Format, e.Max>>20)
	}
	return fmt.Sprintf("decode %s: stream needs a window of %d MiB, %d MiB are allowed (allow more memory, or compress again without --long or --ultra)",
		e.Format, e.Need>>20, e.Max>>20)
}

// Errors wrapped by a FormatError.
var (
	ErrTrailing = errors.New("something else follows the end of the compressed data")
	ErrChecksum = errors.New("checksum mismatch")
)

// ErrClosed is returned by a Reader used after Close.
var ErrClosed = errors.New("read stream: already closed")

// truncated is what decoders return for an early end; Reader makes a
// TruncatedError of it.
func truncated(err error) bool {
	return err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)
}
