// Package scrub leaves out of an image what belongs to one machine alone: its
// identity, its secrets, its logs. The disk is not touched. What is found is a
// [Patch]: what to read in place of some of a filesystem's blocks, so that the
// image holds a filesystem as sound as the one on the disk, in which some files
// are empty and some are gone.
package scrub

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Patch says what to read in place of what is on a volume. Offsets are relative
// to the volume's beginning. The used-block map of the result is the one of the
// filesystem that [Patch.Reader] shows.
type Patch struct {
	Zero    extent.Set // reads as zeros: content that is left out, used or freed
	Replace []Piece    // in ascending order, apart from each other and from Zero
	Emptied []string   // paths of the files that are empty now, from the volume's root
	Removed []string   // paths of the files that are gone
}

// Piece is bytes that take the place of those at Off.
type Piece struct {
	Off  int64
	Data []byte
}

// Range is the bytes of the volume that p replaces.
func (p Piece) Range() extent.Range { return extent.Range{Off: p.Off, End: p.Off + int64(len(p.Data))} }

// UnsupportedError reports a filesystem that cannot be scrubbed: by a feature
// or a state that is not handled. Nothing is wrong with it; it can be saved as
// it is, secrets and all, where a person agrees to that.
type UnsupportedError struct {
	Kind   string // ext4, xfs
	Reason string
}

func (e *UnsupportedError) Error() string { return fmt.Sprintf("scrub %s: %s", e.Kind, e.Reason) }

// Reader is the volume r as the patch has it.
func (p *Patch) Reader(r io.ReaderAt) io.ReaderAt { return &patched{p, r} }

type patched struct {
	p *Patch
	r io.ReaderAt
}

// ReadAt does not read from the disk what is all patched.
func (v *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := len(b), error(nil)
	all := extent.Range{Off: off, End: off + int64(len(b))}
	if !v.p.Zero.Contains(all) {
		if n, err = v.r.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
			return 0, err // what was read is not patched yet
		}
	}
	all.End = off + int64(n)
	for r := range v.p.Zero.Within(all) {
		clear(b[r.Off-off : r.End-off])
	}
	pieces := v.p.Replace
	for i := sort.Search(len(pieces), func(i int) bool { return pieces[i].Range().End > off }); i < len(pieces) && pieces[i].Off < all.End; i++ {
		r := pieces[i].Range().Intersect(all)
		copy(b[r.Off-off:r.End-off], pieces[i].Data[r.Off-pieces[i].Off:])
	}
	return n, err
}
