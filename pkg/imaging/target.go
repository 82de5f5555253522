package imaging

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// target is the disk, or the regular file that stands for one, as it was found.
type target struct {
	path     string
	disk     *blockdev.Disk     // nil for a file, and for a loop device or partition
	file     bool               // a regular file; it may not exist yet
	size     int64              // bytes it has now
	room     int64              // bytes an image may have: size, or unlimited
	sector   int                // bytes, logical
	lost     string             // what it holds now, in words
	old      []partition.Region // where its partition tables are
	parts    []extent.Range     // its partitions
	slice    ndz.Target         // the partition that it is; zero for a disk
	fresh    bool               // a file that reads as zeros wherever nothing was written
	resized  bool               // a file that was given its size when it was opened
	refusals []error
}

// findTarget resolves a path or selector and looks at what it finds, without
// changing anything and without keeping it open.
func findTarget(ctx context.Context, o WriteOptions, r *report) (*target, error) {
	if isNewFile(o.Disk) {
		t := &target{path: o.Disk, file: true, lost: "nothing, the file will be created"}
		return t.asFile(o.FileSize), nil
	}
	found, err := resolve(ctx, o.Disk, o.Wait, r.log(api.PlanStep, o.Log))
	if err != nil {
		return nil, err
	}
	t := &target{path: found.Path, disk: found.Disk}
	if t.disk != nil && t.disk.ReadOnly {
		t.refusals = append(t.refusals, &blockdev.ReadOnlyError{Path: t.path})
	}
	uses, err := blockdev.InUse(t.path)
	if err != nil {
		return nil, err
	}
	if len(uses) > 0 {
		t.refusals = append(t.refusals, &blockdev.BusyError{Path: t.path, Uses: uses})
	}
	dev, err := blockdev.Open(t.path, blockdev.Options{})
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	t.file, t.size, t.room, t.sector = dev.IsFile(), dev.Size(), dev.Size(), dev.SectorSize()
	t.lookAt(dev)
	if t.file {
		return t.asFile(o.FileSize), nil
	}
	t.slice = sliceOf(t.path, t.size)
	if o.FileSize != 0 {
		return nil, fmt.Errorf("%s is a disk, whose size cannot be set", t.path)
	}
	return t, nil
}

// sliceOf tells where on its disk a partition lies (sysfs-block, .../start), the
// zero value for what is none.
func sliceOf(path string, size int64) ndz.Target {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ndz.Target{}
	}
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/start", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
	if err != nil {
		return ndz.Target{}
	}
	start, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return ndz.Target{}
	}
	return ndz.Target{Start: start, Sectors: uint64(size) / ndz.Sector}
}

// resolve finds the disk that a path or selector names, giving it some time to appear.
func resolve(ctx context.Context, name string, wait time.Duration, log *slog.Logger) (blockdev.Target, error) {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	return blockdev.Resolve(ctx, name, log)
}

// lookAt notes what would be lost, and where the tables are.
func (t *target) lookAt(dev *blockdev.Device) {
	table, err := partition.Read(dev, t.sector)
	switch {
	case err != nil:
		t.lost = fmt.Sprintf("a damaged partition table (%v)", err)
	case table.Scheme == partition.SchemeNone:
		t.lost = "no partition table" // perhaps a file system on the whole disk
	default:
		t.lost = table.Summary()
		t.old = table.Regions()
		for _, p := range table.Partitions {
			if !p.Extended {
				t.parts = append(t.parts, extent.Range{Off: p.Start, End: p.End()})
			}
		}
	}
}

// asFile is t as a regular file, which takes any image unless it is given a size.
func (t *target) asFile(size int64) *target {
	t.sector, t.room = 512, unlimited
	if size != 0 {
		t.size, t.room = size, size
	}
	return t
}

// isNewFile tells a regular file that is to be created from a selector and
// from a device that does not exist: nothing is ever created in /dev, and
// "sda" for "/dev/sda" does not become a file either.
func isNewFile(name string) bool {
	if strings.ContainsAny(name, "=<>,") || !strings.ContainsAny(name, "/.") {
		return false
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	abs, err := filepath.Abs(name)
	if err != nil || strings.HasPrefix(abs, "/dev/") && !strings.HasPrefix(abs, "/dev/shm/") {
		return false
	}
	dir, err := os.Stat(filepath.Dir(abs))
	return err == nil && dir.IsDir()
}

// open opens the target for writing, alone. A regular file is created, and
// emptied unless what it holds may be of use; then the writing has begun.
func (t *target) open(keep bool) (*blockdev.Device, error) {
	if t.file {
		f, err := os.OpenFile(t.path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	dev, err := blockdev.Open(t.path, blockdev.Options{Write: true, Direct: true, Exclusive: true})
	if err != nil || !t.file {
		return dev, err
	}
	// It is ours alone from here on: nobody's file is emptied under their hands.
	size := dev.Size()
	t.fresh = !keep || size == 0
	if t.fresh && size > 0 {
		t.resized, err = true, dev.Truncate(0)
	}
	if err == nil && t.room != unlimited && size != t.room {
		t.resized, err = true, dev.Truncate(t.room)
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	return dev, nil
}

// name puts the disk's name into the error of an image that does not fit.
func (t *target) name(err error) error {
	var small *TooSmallError
	if errors.As(err, &small) {
		small.Disk = t.path
	}
	return err
}

func (t *target) String() string {
	switch {
	case t.file && t.room == unlimited:
		return t.path + ", a regular file, which gets the size of the image"
	case t.file:
		return fmt.Sprintf("%s, a regular file of %s", t.path, units.Bytes(t.room))
	case t.disk != nil:
		return fmt.Sprintf("%s, sectors of %d bytes", t.disk, t.sector)
	}
	return fmt.Sprintf("%s (%s), sectors of %d bytes", t.path, units.Bytes(t.size), t.sector)
}
