package ndz

import (
	"fmt"
	"io"
	"strings"
)

// Defect is what can be wrong with an image; errors.Is finds it in the errors
// of this package.
type Defect string

func (d Defect) Error() string { return string(d) }

// Is tells that an image which is cut short is an io.ErrUnexpectedEOF, too.
func (d Defect) Is(err error) bool { return d == ErrTruncated && err == io.ErrUnexpectedEOF }

// The defects.
const (
	ErrTruncated Defect = "image is cut short"          // or no multiple of a chunk, or empty
	ErrMagic     Defect = "no chunk of an .ndz image"   // or of an unknown version
	ErrMixed     Defect = "chunks of different images"  // versions or image ids differ
	ErrSize      Defect = "impossible size of data"     //
	ErrTable     Defect = "impossible table in header"  // area, number of regions or relocations
	ErrRegion    Defect = "impossible region"           // empty, out of order, outside the chunk's range
	ErrReloc     Defect = "impossible relocation"       // unknown, outside the regions, or of what is not there
	ErrOrder     Defect = "chunk missing or misplaced"  // index, total or coverage
	ErrData      Defect = "damaged data"                // inflate fails
	ErrLength    Defect = "data of the wrong length"    // against the regions, or the stream against size
	ErrSeal      Defect = "encrypted or signed wrongly" // unknown cipher or checksum, no key, no match
	ErrFit       Defect = "image larger than target"    //
	ErrChanged   Defect = "image changed while read"    //
)

// ChunkError says which chunk an error is about.
type ChunkError struct {
	Index int64 // position in the file
	Err   error
}

func (e *ChunkError) Error() string { return fmt.Sprintf("ndz chunk %d: %v", e.Index, e.Err) }

func (e *ChunkError) Unwrap() error { return e.Err }

// at says which chunk err is about.
//
//go:noinline
func at(index int64, err error) error {
	if err == nil {
		return nil
	}
	return &ChunkError{index, err}
}

// flaw is a defect with its details. Its numbers are formatted only when it is
// printed: there are many places that make one, and they must be small in the
// binary of a node, for which inlining them costs 3 KiB.
type flaw struct {
	Defect
	what string
	args [4]int64
}

// as gives the defect with details: a format, and at most 4 numbers.
//
//go:noinline
func (d Defect) as(what string, args ...int64) error {
	f := &flaw{Defect: d, what: what}
	copy(f.args[:], args)
	return f
}

func (f *flaw) Error() string {
	a := f.args
	args := []any{a[0], a[1], a[2], a[3]}
	return string(f.Defect) + ": " + fmt.Sprintf(f.what, args[:strings.Count(f.what, "%")]...)
}

func (f *flaw) Unwrap() error { return f.Defect }
