package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Disks describes the physical disks in the order of where they are attached.
// With an error, what did not fail is there nevertheless; one disk that does not
// answer keeps its facts from sysfs.
func Disks(ctx context.Context, h sysfs.Host) ([]hardware.Disk, error) {
	return collector{h, opener(h)}.disks(ctx)
}

// opener opens disks for questions: those of this machine as devices, and files
// in their places under another root, which have contents only.
func opener(h sysfs.Host) func(string) (device, error) {
	if h.Live() {
		return openDevice
	}
	return func(path string) (device, error) { return openFile(h.Path(path)) }
}

// collector asks all disks at once.
type collector struct {
	h    sysfs.Host
	open func(path string) (device, error)
}

// most bounds the disks that are asked at one time. Each takes a thread while it
// lets us wait, and a buffer of less than 100 KiB.
const most = 64

// note is something that was learned of a disk.
type note struct {
	disk int
	put  func(*hardware.Disk) // may be nil
	err  error
	last bool
}

func (c collector) disks(ctx context.Context) ([]hardware.Disk, error) {
	list, err := blockdev.Machine{Root: root(c.h)}.List(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a machine without block devices
	}
	if err != nil {
		return nil, err
	}
	disks := make([]hardware.Disk, len(list))
	for i, b := range list {
		disks[i] = facts(c.h, b)
	}
	name(disks)
	return disks, c.ask(ctx, list, disks)
}

// ask has every disk questioned and adds the answers, until all are there or
// most of the time is over. Whoever then still waits for a disk is left behind:
// its notes go to nobody, and disks is not touched any more.
func (c collector) ask(ctx context.Context, list []blockdev.Disk, disks []hardware.Disk) error {
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	notes := make(chan note, len(disks)*notesEach)
	places := make(chan struct{}, most)
	waiting := len(list)
	done := make([]bool, len(list))
	for i, b := range list {
		q := questions{c: c, sys: b.SysPath, path: b.Path, disk: disks[i], tell: func(n note) { n.disk = i; notes <- n }}
		go func() {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				q.ask()
			case <-ctx.Done():
			}
		}()
	}
	errs := make([]error, len(disks)) // in the order of the disks, not of the answers
	denied := 0
	for waiting > 0 && ctx.Err() == nil {
		select {
		case n := <-notes:
			if n.put != nil {
				n.put(&disks[n.disk])
			}
			if errors.Is(n.err, os.ErrPermission) {
				denied++
			} else if n.err != nil {
				errs[n.disk] = errors.Join(errs[n.disk], fmt.Errorf("%s: %w", disks[n.disk].Name, n.err))
			}
			if n.last {
				done[n.disk] = true
				waiting--
			}
		case <-ctx.Done():
		}
	}
	for i := range done {
		if done[i] {
			continue
		}
		errs[i] = errors.Join(errs[i], fmt.Errorf("%s: no answer in time: health or contents are not known (disk failing, or its controller busy?)", disks[i].Name))
	}
	if denied > 0 {
		hint := "are you root?"
		if os.Geteuid() == 0 {
			hint = "even root may not: a container, or lockdown?"
		}
		errs = append(errs, fmt.Errorf("not permitted to ask %d of the disks: health and contents are not known (%s)", denied, hint))
	}
	return errors.Join(errs...)
}

// patience leaves the caller time to take what there is.
func patience(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Second
	}
	return time.Until(deadline) * 7 / 8
}

func root(h sysfs.Host) string {
	if h.Live() {
		return ""
	}
	return h.Path("/")
}

// openFile opens a regular file in the place of a disk.
func openFile(path string) (device, error) {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return image{f}, nil
}

// image is a file: it can be read and that is all.
type image struct{ *os.File }

func (image) admin(byte, uint32, uint32, uint32, []byte) error { return errors.ErrUnsupported }
func (image) scsi([]byte, []byte) (int, []byte, error)         { return 0, nil, errors.ErrUnsupported }

var _ io.ReaderAt = image{}
