// Package fsmap says which bytes of a filesystem or other volume are in use,
// as its own on-disk metadata tells, without mounting it and without any
// external tool. The packages below it each read one family of formats.
//
// The one promise they all keep: a [Map] never leaves out a byte that the
// filesystem's own driver could read and rely on. Where that cannot be known
// the answer is an error, and the volume is to be saved whole.
package fsmap

import (
	"errors"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Map is what one volume holds.
type Map struct {
	Kind    string     // ext4, xfs, btrfs, vfat, exfat, ntfs, swap, lvm2
	Label   string     // as the format stores it, in UTF-8
	UUID    string     // as blkid prints it
	Size    int64      // bytes that the format covers, from the volume's beginning
	Block   int64      // unit of allocation, bytes
	Used    extent.Set // relative to the volume's beginning, within [0, Size)
	Notes   []string   // what a person should know, such as a journal to be replayed
	Unclean bool       // was not unmounted; the map holds all the same
}

// ErrUnknown reports that a volume is not of this kind at all.
var ErrUnknown = errors.New("not a filesystem of this kind")

// UnsafeError reports a volume of a known kind whose map cannot be trusted:
// damaged, in a state that matters, or with features that are not understood.
// It has to be saved whole.
type UnsafeError struct {
	Kind   string
	Reason string
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("map %s: %s", e.Kind, e.Reason)
}

// Unsafef is an *UnsafeError whose reason is put together like fmt.Sprintf's.
func Unsafef(kind, format string, args ...any) error {
	return &UnsafeError{kind, fmt.Sprintf(format, args...)}
}
