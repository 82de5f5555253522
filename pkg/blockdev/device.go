package blockdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Device is an open block device or regular file. ReadAt, WriteAt, Zero and
// Discard may be called from several goroutines at once.
type Device struct {
	path     string
	name     string // links resolved
	file     bool
	write    bool
	sector   int // bytes, logical
	physical int // bytes
	offAlign int // what O_DIRECT wants of offset and length
	memAlign int // and of memory

	buffered *os.File // block device without O_DIRECT: the only one; else for a file's odd edges
	direct   *os.File // nil: buffered transfers only

	plain  atomic.Bool // O_DIRECT turned out not to work
	size   atomic.Int64
	edges  sync.Mutex  // read-modify-write of sectors
	bounce chan []byte // buffers for transfers whose memory is not aligned
}

// bounceSize and bounceCount bound what a device keeps in buffers.
const (
	bounceSize  = 1 << 20
	bounceCount = 4
)

// Size is the size in bytes. That of a file grows as it is written.
func (d *Device) Size() int64 { return d.size.Load() }

// SectorSize is the logical sector in bytes: the unit of partition tables. For
// a file it is 512.
func (d *Device) SectorSize() int { return d.sector }

// PhysicalSector is the sector in bytes that the disk writes without reading.
func (d *Device) PhysicalSector() int { return d.physical }

// Path is the path it was opened by.
func (d *Device) Path() string { return d.path }

// IsFile tells a regular file from a block device.
func (d *Device) IsFile() bool { return d.file }

// Direct tells whether aligned transfers bypass the page cache.
func (d *Device) Direct() bool { return d.direct != nil && !d.plain.Load() }

// Sync makes what was written durable: file data, and the disk's own cache.
func (d *Device) Sync() error {
	if err := d.buffered.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w%s", d.path, cause(err), hint(err))
	}
	return nil
}

// DropCache makes the next read come from the disk: writes back and forgets
// what the page cache holds of it.
func (d *Device) DropCache() error {
	err := d.buffered.Sync()
	if err == nil {
		err = control(d.buffered, func(fd int) error {
			if d.file {
				return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
			}
			return ioctl(fd, unix.BLKFLSBUF, nil)
		})
	}
	if err != nil {
		return fmt.Errorf("drop cache of %s: %w%s", d.path, cause(err), hint(err))
	}
	return nil
}

// Truncate sets the size of a file in bytes; what is added reads as zeros.
func (d *Device) Truncate(size int64) error {
	if !d.file {
		return fmt.Errorf("truncate %s: a disk has the size it has", d.path)
	}
	if err := d.buffered.Truncate(size); err != nil {
		return fmt.Errorf("truncate %s: %w%s", d.path, cause(err), hint(err))
	}
	d.size.Store(size)
	return nil
}

// Close gives up the device. Nothing may be under way.
func (d *Device) Close() error {
	var errs []error
	for _, f := range []*os.File{d.direct, d.buffered} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	for range len(d.bounce) {
		FreeAligned(<-d.bounce)
	}
	return errors.Join(errs...)
}

// cause is an error without the path that os puts around it.
func cause(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
