package blockdev

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// ReadAt reads as io.ReaderAt says, from any offset into any memory.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &IOError{"read", d.path, off, errors.New("offset is negative")}
	}
	want, end := len(p), d.Size()
	if off >= end {
		if want == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	p = p[:min(int64(want), end-off)]
	n, err := d.readAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &IOError{"read", d.path, off + int64(n), cause(err)}
	}
	if err == nil && n < want {
		err = io.EOF
	}
	return n, err
}

func (d *Device) readAt(p []byte, off int64) (n int, err error) {
	if !d.Direct() {
		return d.buffered.ReadAt(p, off)
	}
	for n < len(p) {
		q, at := p[n:], off+int64(n)
		whole := int64(len(q)) - int64(len(q))%int64(d.offAlign)
		var k int
		switch {
		case at%int64(d.offAlign) == 0 && whole > 0 && alignedTo(q, d.memAlign):
			k, err = d.direct.ReadAt(q[:whole], at)
		case d.file && (at%int64(d.offAlign) != 0 || whole == 0):
			k, err = d.buffered.ReadAt(q[:min(len(q), d.offAlign-int(at%int64(d.offAlign)))], at)
		default:
			k, err = d.readBounced(q, at)
		}
		n += k
		if d.refused(err) {
			k, err = d.buffered.ReadAt(p[n:], off+int64(n))
			return n + k, err
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readBounced reads the beginning of q through an aligned buffer.
func (d *Device) readBounced(q []byte, at int64) (int, error) {
	buf := d.takeBounce()
	defer d.putBounce(buf)
	skip := at % int64(d.offAlign)
	n := min(roundUp(skip+int64(len(q)), d.offAlign), int64(len(buf)))
	k, err := d.direct.ReadAt(buf[:n], at-skip)
	got := copy(q, buf[min(skip, int64(k)):k])
	if got == len(q) || errors.Is(err, io.EOF) && got > 0 {
		err = nil
	}
	return got, err
}

// WriteAt writes all of p at off, or fails. A disk cannot be written behind its
// end; a file grows. Aligned memory at an aligned offset goes to the disk as it
// is; the sectors at ragged ends are read, changed and written, so goroutines
// may write neighbouring ranges but not overlapping ones.
func (d *Device) WriteAt(p []byte, off int64) (int, error) {
	if !d.write {
		return 0, &IOError{"write", d.path, off, errors.New("it was opened for reading")}
	}
	if off < 0 {
		return 0, &IOError{"write", d.path, off, errors.New("offset is negative")}
	}
	if end := d.Size(); !d.file && int64(len(p)) > end-off {
		return 0, &IOError{"write", d.path, off, pastEnd{int64(len(p)), end}}
	}
	n, err := d.writeAt(p, off)
	if d.file {
		d.grow(off + int64(n))
	}
	if err != nil {
		return n, &IOError{"write", d.path, off + int64(n), cause(err)}
	}
	return n, nil
}

func (d *Device) writeAt(p []byte, off int64) (n int, err error) {
	if !d.Direct() {
		return d.buffered.WriteAt(p, off)
	}
	for n < len(p) {
		q, at := p[n:], off+int64(n)
		ragged := int(at % int64(d.offAlign))
		whole := len(q) - len(q)%d.offAlign
		var k int
		switch {
		case ragged != 0 || whole == 0:
			k, err = d.writeEdge(q[:min(len(q), d.offAlign-ragged)], at)
		case alignedTo(q, d.memAlign):
			k, err = d.direct.WriteAt(q[:whole], at)
		default:
			k, err = d.writeBounced(q[:whole], at)
		}
		n += k
		if d.refused(err) {
			k, err = d.buffered.WriteAt(p[n:], off+int64(n))
			return n + k, err
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// writeEdge changes part of one sector. The kernel does that right for files,
// which need not end on a sector; on a disk, mixing cached and direct writes to
// one page loses data, so the sector is read and written here.
func (d *Device) writeEdge(q []byte, at int64) (int, error) {
	if d.file {
		return d.buffered.WriteAt(q, at)
	}
	buf := d.takeBounce()
	defer d.putBounce(buf)
	d.edges.Lock()
	defer d.edges.Unlock()
	skip := at % int64(d.offAlign)
	sector := buf[:d.offAlign]
	if _, err := d.direct.ReadAt(sector, at-skip); err != nil {
		return 0, err
	}
	n := copy(sector[skip:], q)
	if _, err := d.direct.WriteAt(sector, at-skip); err != nil {
		return 0, err
	}
	return n, nil
}

// writeBounced writes the beginning of whole sectors through an aligned buffer.
func (d *Device) writeBounced(q []byte, at int64) (int, error) {
	buf := d.takeBounce()
	defer d.putBounce(buf)
	n := copy(buf, q)
	return d.direct.WriteAt(buf[:n], at)
}

// refused tells whether O_DIRECT does not work here after all, and remembers:
// some file systems take the flag and then refuse the transfer.
func (d *Device) refused(err error) bool {
	if !errors.Is(err, unix.EINVAL) {
		return false
	}
	d.plain.Store(true)
	return true
}

// grow notes that the file reaches to end at least.
func (d *Device) grow(end int64) {
	for {
		old := d.size.Load()
		if end <= old || d.size.CompareAndSwap(old, end) {
			return
		}
	}
}

func (d *Device) takeBounce() []byte {
	if b := <-d.bounce; b != nil {
		return b
	}
	return AllocAligned(bounceSize)
}

func (d *Device) putBounce(b []byte) { d.bounce <- b }

func roundUp(n int64, to int) int64 { return (n + int64(to) - 1) / int64(to) * int64(to) }

var (
	_ io.ReaderAt = (*Device)(nil)
	_ io.WriterAt = (*Device)(nil)
)
