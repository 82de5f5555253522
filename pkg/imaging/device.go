package imaging

import (
	"context"
	"io"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
)

// device is what is wanted of a disk: a *blockdev.Device does all of it.
type device interface {
	io.ReaderAt
	io.WriterAt
	Zero(ctx context.Context, off, n int64) error
	Discard(off, n int64) error
	Sync() error
	DropCache() error
	Truncate(size int64) error
	Reread(ctx context.Context) error
	Close() error

	Path() string
	IsFile() bool
	Size() int64
	SectorSize() int
	PhysicalSector() int
}

var _ device = (*blockdev.Device)(nil)

// seam may put another device in place of the disk: one that fails, or
// remembers. The zero value puts none.
type seam func(device) device

// use is the device to work with where d was opened.
func (s seam) use(d *blockdev.Device, err error) (device, error) {
	if err != nil {
		return nil, err
	}
	if s == nil {
		return d, nil
	}
	return s(d), nil
}
