package blockdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Options of Open.
type Options struct {
	Write     bool // for reading and writing; otherwise reading only
	Direct    bool // O_DIRECT where it is possible
	Exclusive bool // fail with *BusyError if anything holds the disk, and keep others off
}

// Open opens a block device or an existing regular file. With Exclusive a
// device is opened O_EXCL, which the kernel refuses while it is mounted, swapped
// to, or part of another device; a file must not be behind a loop device, and
// is locked. What holds it is in the *BusyError.
func Open(path string, o Options) (*Device, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	name, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	d := &Device{path: path, name: name, write: o.Write, file: st.Mode().IsRegular(), sector: 512, physical: 512, offAlign: 512, memAlign: 512}
	if !d.file && st.Mode()&os.ModeType != os.ModeDevice {
		return nil, fmt.Errorf("open disk: %s is neither a block device nor a regular file", path)
	}
	d.bounce = make(chan []byte, bounceCount)
	for range bounceCount {
		d.bounce <- nil // allocated when first needed
	}
	if err := d.open(o); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Device) open(o Options) error {
	flags := unix.O_CLOEXEC | unix.O_RDONLY
	if o.Write {
		flags = unix.O_CLOEXEC | unix.O_RDWR
	}
	first := flags
	if o.Exclusive && !d.file {
		first |= unix.O_EXCL
	}
	var err error
	if d.buffered, err = os.OpenFile(d.path, first, 0); err != nil {
		return d.openError(err)
	}
	if err := d.measure(); err != nil {
		return fmt.Errorf("open %s: %w", d.path, err)
	}
	if o.Exclusive {
		if err := d.lock(); err != nil {
			return err
		}
	}
	if o.Write && !d.file {
		if ro, err := d.readOnly(); err == nil && ro {
			return &ReadOnlyError{d.path}
		}
	}
	if !o.Direct {
		return nil
	}
	// The claim of O_EXCL stays with the first descriptor.
	d.direct, err = os.OpenFile(d.path, flags|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		d.direct = nil // tmpfs before 6.6, overlay, some network file systems
		return nil
	}
	if err != nil {
		d.direct = nil
		return d.openError(err)
	}
	return nil
}

// openError turns the errors a person can act on into typed ones.
func (d *Device) openError(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return d.busy()
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES) && d.write && os.Geteuid() == 0:
		return &ReadOnlyError{d.path}
	}
	return fmt.Errorf("open disk: %w%s", err, hint(err))
}

func (d *Device) busy() error {
	uses, _ := InUse(d.name)
	if len(uses) == 0 {
		uses = openers(d.name)
	}
	return &BusyError{Path: d.path, Uses: uses}
}

// lock keeps udev from probing a device while it is written (see systemd,
// "Locking block device access"), and two writers off one file.
func (d *Device) lock() error {
	if d.file {
		uses, err := InUse(d.name)
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return &BusyError{Path: d.path, Uses: uses}
		}
	}
	var err error
	for range 20 { // udev's own lock is short
		err = control(d.buffered, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil // taken, or a file system without locks
		}
		time.Sleep(50 * time.Millisecond)
	}
	return &BusyError{Path: d.path, Uses: openers(d.name)}
}

// measure asks for sizes and alignments.
func (d *Device) measure() error {
	return control(d.buffered, func(fd int) error {
		if d.file {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil {
				return err
			}
			d.size.Store(st.Size)
			d.offAlign, d.memAlign = fileAlign(fd)
			return nil
		}
		size, err := deviceSize(fd)
		if err != nil {
			return fmt.Errorf("ask for its size: %w", err)
		}
		d.size.Store(size)
		if d.sector, err = unix.IoctlGetInt(fd, unix.BLKSSZGET); err != nil {
			return fmt.Errorf("ask for its sector size: %w", err)
		}
		d.physical = d.sector
		if n, err := unix.IoctlGetInt(fd, unix.BLKPBSZGET); err == nil {
			d.physical = n
		}
		d.offAlign, d.memAlign = d.sector, d.sector
		return nil
	})
}

// fileAlign is what O_DIRECT wants of a file. Kernels before 6.1 do not say;
// 4096 suits every file system then.
func fileAlign(fd int) (off, mem int) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 || st.Dio_offset_align == 0 {
		return 4096, 4096
	}
	return int(st.Dio_offset_align), max(int(st.Dio_mem_align), 8)
}

func (d *Device) readOnly() (bool, error) {
	n := 0
	err := control(d.buffered, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.BLKROGET)
		return err
	})
	return n != 0, err
}
