package imaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
)

// memDisk is a disk in memory, behind the seam of Write and Save: it fails
// where it is told to, and remembers what is done to it. The real one is only
// opened.
type memDisk struct {
	device
	mu   sync.RWMutex
	data []byte
	log  []diskOp
	fail func(op string, off, n int64) error // or nil
	lie  func(o diskOp) diskOp               // what is done in its place; or nil
}

// diskOp is a write, a zeroing (no data), or with n of 0 a flush.
type diskOp struct {
	off, n int64
	data   []byte
}

func (o diskOp) String() string {
	switch {
	case o.n == 0:
		return "flush"
	case o.data == nil:
		return fmt.Sprintf("zero %d+%d", o.off, o.n)
	}
	return fmt.Sprintf("write %d+%d", o.off, o.n)
}

// do does it to a disk.
func (o diskOp) do(disk []byte) {
	if o.data == nil {
		clear(disk[o.off : o.off+o.n])
		return
	}
	copy(disk[o.off:], o.data)
}

// memory is a disk that holds data, and the seam that puts it in place of the
// real one.
func memory(data []byte) (*memDisk, seam) {
	m := &memDisk{data: bytes.Clone(data)}
	return m, func(d device) device {
		m.device = d
		return m
	}
}

func (m *memDisk) Size() int64 { return int64(len(m.data)) }

func (m *memDisk) check(op string, off, n int64) error {
	if off < 0 || n < 0 || off+n > int64(len(m.data)) {
		return fmt.Errorf("%s at %d of %d bytes", op, off, n)
	}
	if m.fail == nil {
		return nil
	}
	if err := m.fail(op, off, n); err != nil {
		return &blockdev.IOError{Op: op, Path: m.Path(), Off: off, Err: err}
	}
	return nil
}

func (m *memDisk) ReadAt(p []byte, off int64) (int, error) {
	n := min(len(p), max(0, len(m.data)-int(off)))
	if err := m.check("read", min(off, m.Size()), int64(n)); err != nil {
		return 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	copy(p[:n], m.data[min(off, m.Size()):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memDisk) WriteAt(p []byte, off int64) (int, error) {
	if err := m.check("write", off, int64(len(p))); err != nil {
		return 0, err
	}
	m.add(diskOp{off, int64(len(p)), bytes.Clone(p)})
	return len(p), nil
}

func (m *memDisk) Zero(ctx context.Context, off, n int64) error {
	if err := m.check("zero", off, n); err != nil || n == 0 {
		return err
	}
	m.add(diskOp{off, n, nil})
	return context.Cause(ctx)
}

func (m *memDisk) add(o diskOp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, o)
	if m.lie != nil {
		o = m.lie(o)
	}
	o.do(m.data)
}

func (m *memDisk) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, diskOp{})
	return nil
}

func (m *memDisk) Discard(off, n int64) error {
	if sector := int64(m.SectorSize()); off%sector != 0 || n%sector != 0 {
		return syscall.EINVAL
	}
	return m.Zero(context.Background(), off, n)
}
func (m *memDisk) DropCache() error             { return m.Sync() }
func (m *memDisk) Reread(context.Context) error { return nil }

// Truncate is for what stands for a file.
func (m *memDisk) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = append(m.data[:min(size, m.Size())], make([]byte, max(0, size-m.Size()))...)
	return nil
}

// content after a power cut in the middle of pending, which was not flushed:
// of each write all, nothing, or some sectors arrived.
func tear(disk []byte, pending []diskOp, r *rand.Rand) []byte {
	disk = bytes.Clone(disk)
	for _, o := range pending {
		switch r.IntN(4) {
		case 0:
		case 1:
			o.do(disk)
		default:
			some := bytes.Clone(disk)
			o.do(some)
			odds := 1 + r.IntN(7)
			for off := o.off; off < o.off+o.n; off += 512 {
				if r.IntN(8) < odds {
					copy(disk[off:min(off+512, o.off+o.n)], some[off:])
				}
			}
		}
	}
	return disk
}

// touched is what was written or zeroed.
func (m *memDisk) touched() (s extent.Set) {
	for _, o := range m.log {
		s.Add(extent.Range{Off: o.off, End: o.off + o.n})
	}
	return s
}

// badAt fails transfers of some kinds that touch a range, with EIO.
func badAt(from, to int64, ops ...string) func(string, int64, int64) error {
	return func(op string, off, n int64) error {
		for _, o := range ops {
			if o == op && off < to && from < off+n {
				return syscall.EIO
			}
		}
		return nil
	}
}

// broke fails unless writing broke off after the first byte, for a reason.
func broke(t testing.TB, err error, want string) {
	t.Helper()
	var f *FailedError
	if !errors.As(err, &f) || !strings.Contains(err.Error(), want) {
		t.Fatalf("error is %v, want one after the first byte that tells %q", err, want)
	}
}

// notes collects what is told of steps.
type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) sink(e api.Event) {
	if e.State == api.Note || e.State == api.Done {
		n.mu.Lock()
		n.text = append(n.text, e.Message)
		n.mu.Unlock()
	}
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.text...)
}

func (n *notes) has(t testing.TB, want int, part string) {
	t.Helper()
	got := 0
	for _, s := range n.all() {
		if bytes.Contains([]byte(s), []byte(part)) {
			got++
		}
	}
	if got != want {
		t.Errorf("%d notes tell %q, want %d: %q", got, part, want, n.all())
	}
}
