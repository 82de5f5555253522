package imaging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// WriteOptions say what to write where.
type WriteOptions struct {
	Source       string        // path, "-" for Stdin, http or https URL, or what IsFrisbee
	Stdin        io.Reader     // for Source "-"
	Room         *Room         // where the bytes of Source are sent to many at once; nil: nowhere
	Disk         string        // device, regular file or selector, see package blockdev
	SHA256       string        // of the source as stored, lower-case hex; "" is not checked
	SHA256Beside bool          // take the SHA-256 from the .sha256 file beside the source
	Sum          bool          // compute the SHA-256 of a stream in any case, for the receipt
	Root         image.Digest  // that the image must have; zero for any
	Keys         []Key         // one of which must have signed the image; none: anybody may have made it
	Full         bool          // write everything, whatever the disk holds
	Stream       bool          // read the image first to last though it has an index
	Verify       Verify        // "" is VerifyStream
	Unused       Unused        // "" is Keep
	SectorSize   int           // bytes, that the image was made for; 0 is told from the image
	FileSize     int64         // Disk is a regular file that stands for a disk of so many bytes; 0: it gets the size of the image
	Wait         time.Duration // for the disk to appear
	Patience     time.Duration // with a server that sends nothing; 0 is transfer's default
	Events       api.Sink      // nil: none
	Log          *slog.Logger  // nil: none

	// Fits is asked, before the first byte is changed, whether what is to be done
	// with the system afterwards goes together with the image's partition table and
	// the disk. May be nil.
	Fits func(ctx context.Context, table *partition.Table, disk string, file bool) error

	room  int64      // bytes the disk takes, once that is known
	slice ndz.Target // what it is of another disk
	seam  seam       // for tests

	soloRoom func(*Room) *Room // for tests, whose sockets are elsewhere
}

// complete fills in what was left out, and looks for what cannot be.
func (o *WriteOptions) complete() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Verify, o.Unused = cmp.Or(o.Verify, VerifyStream), cmp.Or(o.Unused, Keep)
	switch o.Verify {
	case VerifyStream, VerifyDisk:
	default:
		return fmt.Errorf("unknown verification %q: want %s or %s", o.Verify, VerifyStream, VerifyDisk)
	}
	switch o.Unused {
	case Keep, Discard, Zero:
	default:
		return fmt.Errorf("unused space cannot be %q: want %s, %s or %s", o.Unused, Keep, Discard, Zero)
	}
	if o.Source == "" || o.Disk == "" {
		return errors.New("want an image and a disk")
	}
	if o.Room != nil {
		if !web(o.Source) {
			return fmt.Errorf("multicast needs the http or https URL of the image, for what does not arrive: %s is none", o.Source)
		}
		return o.Room.check()
	}
	return nil
}
