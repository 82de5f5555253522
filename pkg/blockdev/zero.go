package blockdev

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// zeroStep is how much is zeroed between two looks at the context, in bytes: a
// disk that cannot do it by itself takes a second or two for that.
const zeroStep = 256 << 20

// Zero makes n bytes at off read as zeros, the fastest way there is: the disk's
// own command, a hole in a file, or writing. On a disk the range must lie
// within it; a file grows.
func (d *Device) Zero(ctx context.Context, off, n int64) error {
	fail := func(at int64, err error) error { return &IOError{"zero", d.path, at, cause(err)} }
	switch {
	case !d.write:
		return fail(off, errors.New("it was opened for reading"))
	case off < 0 || n < 0 || n > 1<<62-off:
		return fail(off, fmt.Errorf("a range of %d bytes makes no sense", n))
	case n == 0:
		return nil
	case !d.file && off+n > d.Size():
		return fail(off, pastEnd{n, d.Size()})
	}
	if end := off + n; d.file && end > d.Size() {
		// Not Truncate: it would cut off what another goroutine has just
		// written farther on.
		if _, err := d.buffered.WriteAt([]byte{0}, end-1); err != nil {
			return fail(end-1, err)
		}
		d.grow(end)
	}
	// The commands take whole sectors; ragged ends are written.
	align := int64(max(d.sector, 512))
	first := min(roundUp(off, int(align)), off+n)
	last := max(first, (off+n)/align*align)
	if d.file {
		first, last = off, off+n // fallocate takes any bytes
	}
	if err := d.writeZeros(ctx, off, first-off); err != nil {
		return err
	}
	for at := first; at < last; {
		if err := ctx.Err(); err != nil {
			return fail(at, err)
		}
		step := min(zeroStep, last-at)
		err := control(d.buffered, func(fd int) error { return d.zeroFast(fd, at, step) })
		if isUnsupported(err) {
			return d.writeZeros(ctx, at, off+n-at)
		}
		if err != nil {
			return fail(at, err)
		}
		at += step
	}
	return d.writeZeros(ctx, last, off+n-last)
}

func (d *Device) zeroFast(fd int, off, n int64) error {
	if !d.file {
		return rangeIoctl(fd, unix.BLKZEROOUT, off, n)
	}
	err := fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if isUnsupported(err) {
		err = fallocate(fd, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	return err
}

func (d *Device) writeZeros(ctx context.Context, off, n int64) error {
	if n <= 0 {
		return nil
	}
	zeros := AllocAligned(int(min(n+4095, 4<<20)))
	defer FreeAligned(zeros)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return &IOError{"zero", d.path, off, err}
		}
		k := min(n, int64(len(zeros)))
		if _, err := d.WriteAt(zeros[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// Discard tells the disk that n bytes at off hold nothing of value; what they
// read as afterwards is anybody's guess. In a file it leaves a hole. Where that
// is not possible, the error answers to errors.ErrUnsupported.
func (d *Device) Discard(off, n int64) error {
	if n == 0 {
		return nil
	}
	err := control(d.buffered, func(fd int) error {
		if d.file {
			return fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		}
		return rangeIoctl(fd, unix.BLKDISCARD, off, n)
	})
	if isUnsupported(err) {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return &IOError{"discard", d.path, off, err}
	}
	return nil
}

func fallocate(fd int, mode uint32, off, n int64) error {
	for {
		if err := unix.Fallocate(fd, mode, off, n); err != unix.EINTR {
			return err
		}
	}
}

func isUnsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}
