// Package image reads and writes the Orbit image, version 1, which
// docs/image-format.md specifies: a zstd file (RFC 8878) that any zstd tool
// unpacks to the raw disk, with an index at its end that tells what of the disk
// is in use, and where in the file each span of it is and what digest it has.
//
// A [Packer] turns spans into frames, on as many cores as there are; a [Writer]
// puts them into a file, in order. [ReadIndex] reads the index from the tail of
// a file, and an [Unpacker] turns a frame back into a span, in any order.
package image

import "fmt"

const (
	// Span is the unit of frames and digests: bytes of disk, aligned.
	Span = 1 << 20

	// Version of the format that is written, and the only one that is read.
	Version = 1

	// MaxRun is how many empty spans share a frame at most.
	MaxRun = 64

	// MaxFrame is what the frame of one span takes at most, in bytes.
	MaxFrame = Span + 64<<10
)

// FormatError reports an index that is damaged, or does not belong to the file.
type FormatError struct {
	Part   string // "index", "footer", "frame of span 7"
	Reason string
}

func (e *FormatError) Error() string { return fmt.Sprintf("orbit image: %s: %s", e.Part, e.Reason) }

func badf(part, format string, args ...any) error {
	return &FormatError{part, fmt.Sprintf(format, args...)}
}
