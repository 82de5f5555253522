package images

import (
	"errors"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// ErrBusy says that an image of this name is being uploaded already.
var ErrBusy = errors.New("an upload of the same name is under way")

// ErrUnknown says that an upload is not there, or no longer.
var ErrUnknown = errors.New("no such upload (it may have been given up, or replaced)")

// ErrComplete says that nothing can be added to an upload.
var ErrComplete = errors.New("the upload is complete")

// NameError refuses the name of an image.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("image name %q: want letters, digits and . _ + -, at most 128, not starting with a sign and not ending in %s or %s", e.Name, sidecar, frisbee.SumsSuffix)
}

// DigestError says that what arrived is not what was sent.
type DigestError struct{ Want, Got string } // hex SHA-256

func (e *DigestError) Error() string {
	return fmt.Sprintf("sha256 of the upload is %s, its sender says %s: nothing was stored", e.Got, e.Want)
}

// RejectError says that an upload arrived whole and is not an image to keep.
type RejectError struct {
	Name string
	Err  error
}

func (e *RejectError) Error() string {
	return fmt.Sprintf("image %s is refused, nothing was stored: %v", e.Name, e.Err)
}

func (e *RejectError) Unwrap() error { return e.Err }

// LengthError says that an upload is not as long as its sender announced.
type LengthError struct{ Want, Got int64 } // bytes

func (e *LengthError) Error() string {
	return fmt.Sprintf("the upload has %d bytes, %d were announced: nothing was stored", e.Got, e.Want)
}

// LimitError says that an upload is longer than this store takes.
type LimitError struct{ Limit int64 } // bytes

func (e *LimitError) Error() string {
	return fmt.Sprintf("images may have at most %d bytes here", e.Limit)
}

// SpaceError says that the disk is too full.
type SpaceError struct {
	Dir  string
	Need int64 // bytes, 0 where not known
	Free int64 // bytes
}

func (e *SpaceError) Error() string {
	if e.Need > 0 {
		return fmt.Sprintf("no space for the image in %s: %d bytes needed, %d free", e.Dir, e.Need, e.Free)
	}
	return fmt.Sprintf("no space left for the image in %s (%d bytes free)", e.Dir, e.Free)
}
