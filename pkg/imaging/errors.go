package imaging

import (
	"errors"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// RefusedError reports that something was not even begun, and why: nothing has
// been changed.
type RefusedError struct {
	What    string  // "write debian.zst to /dev/sda"
	Reasons []error // at least one
}

func (e *RefusedError) Error() string {
	words := make([]string, len(e.Reasons))
	for i, r := range e.Reasons {
		words[i] = r.Error()
	}
	return fmt.Sprintf("refused to %s: %s (nothing was changed)", e.What, strings.Join(words, "; and "))
}

func (e *RefusedError) Unwrap() []error { return e.Reasons }

// FailedError reports that writing broke off after the first byte: the disk
// holds neither its old content nor the image.
type FailedError struct {
	Disk string
	Bare error // nil: the disk has no partition table; otherwise why that is not certain
	Err  error
}

func (e *FailedError) Error() string {
	state := "was left without a partition table and will not boot; image it again"
	words := e.Err.Error()
	if e.Bare != nil {
		why := ""
		if bare := e.Bare.Error(); !strings.Contains(words, bare) { // a dying disk fails twice alike
			why = " (" + bare + ")"
		}
		state = "may be left with part of a partition table" + why + ": do not boot it; image it again"
	}
	return words + "; " + e.Disk + " " + state
}

func (e *FailedError) Unwrap() error { return e.Err }

// HashError reports that a source is not the file it should be.
type HashError struct {
	Source    string
	Want, Got string // SHA-256, hex
}

func (e *HashError) Error() string {
	return fmt.Sprintf("verify %s: its sha256 is %s, expected %s (damaged on the way, or another version of the image)", e.Source, e.Got, e.Want)
}

// ShortImageError reports an image that ends before the last sector its own
// partition table speaks of, or its filesystem uses. A compressed file may be complete and its content
// still be cut off: by a full disk where it was made, for instance.
type ShortImageError struct {
	Source     string
	Have, Want int64 // bytes
	Volume     bool  // it is the filesystem
}

func (e *ShortImageError) Error() string {
	who := "partition table"
	if e.Volume {
		who = "filesystem"
	}
	return fmt.Sprintf("image %s is truncated: it ends after %s (%d bytes), its %s needs %s (%d bytes)",
		e.Source, units.Bytes(e.Have), e.Have, who, units.Bytes(e.Want), e.Want)
}

// TooSmallError reports a disk that the image does not fit on.
type TooSmallError struct {
	Disk       string
	Have, Want int64 // bytes
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("disk %s is too small: it holds %s (%d bytes), the image needs %s (%d bytes)",
		e.Disk, units.Bytes(e.Have), e.Have, units.Bytes(e.Want), e.Want)
}

// SectorError reports an image made for disks with other sectors.
type SectorError struct {
	Disk        string
	Image, Have int  // bytes
	Guess       bool // Image was concluded from the kind of its partition table
}

func (e *SectorError) Error() string {
	if e.Guess {
		return fmt.Sprintf("image has an MBR partition table, which counts sectors of %d bytes as far as anyone can tell, and disk %s has sectors of %d bytes (if the image was made for those, say --sector-size %d)",
			e.Image, e.Disk, e.Have, e.Have)
	}
	return fmt.Sprintf("image was made for sectors of %d bytes, disk %s has sectors of %d bytes: its partitions would not be found (make the image on a disk with %d-byte sectors)",
		e.Image, e.Disk, e.Have, e.Have)
}

// refusal is err as the reason of a RefusedError, unless it already is one.
func refusal(what string, err error) error {
	var r *RefusedError
	if errors.As(err, &r) {
		return err
	}
	return &RefusedError{What: what, Reasons: []error{err}}
}
