package bootos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/fsmount"
	"golang.org/x/sys/unix"
)

// guard is a block device that nobody can write to while it is looked at.
//
// Read-only mount options are not enough: ext4 runs its orphan list on a
// read-only mount too. With the device itself read-only (BLKROSET, a flag in
// memory) the filesystem cannot, whatever it intends.
type guard struct {
	dev   *os.File
	reset bool // set writable again at the end
}

// watch opens a block device for reading and makes it read-only. It fails
// with unix.EBUSY where the device is in use: mounted, swap, part of a set.
func watch(path string) (*guard, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("%s is in use on the running system (mounted, swap or part of a set): %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	// The exclusive claim was only the question; a mount needs it for itself.
	f.Close()
	if f, err = os.Open(path); err != nil {
		return nil, err
	}
	g := &guard{dev: f}
	fd := int(f.Fd())
	ro, err := unix.IoctlGetInt(fd, unix.BLKROGET)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: not a block device: %w", path, err)
	}
	// What was written through the whole disk is not in the partition's cache.
	if err := unix.IoctlSetInt(fd, unix.BLKFLSBUF, 0); err != nil && !errors.Is(err, unix.EACCES) {
		f.Close()
		return nil, fmt.Errorf("drop cache of %s: %w", path, err)
	}
	if ro == 0 {
		if err := unix.IoctlSetPointerInt(fd, unix.BLKROSET, 1); err != nil {
			f.Close()
			return nil, fmt.Errorf("make %s read-only while it is looked at: %w", path, err)
		}
		g.reset = true
	}
	return g, nil
}

func (g *guard) Close() error {
	var err error
	if g.reset {
		err = unix.IoctlSetPointerInt(int(g.dev.Fd()), unix.BLKROSET, 0)
	}
	return errors.Join(err, g.dev.Close())
}

// mountOptions lists, for each filesystem, the sets of options to try in turn.
// Each keeps the journal as it is.
var mountOptions = map[string][]string{
	"ext4":  {"noload"},
	"xfs":   {"norecovery,nouuid"},
	"btrfs": {"rescue=nologreplay", "nologreplay", "norecovery"},
	"vfat":  {"", "iocharset=ascii", "iocharset=iso8859-1"},
}

// mount mounts a filesystem read-only and detached: it appears in no directory
// and goes away when the returned tree and the files from it are closed. more
// is added to the options of its type (mount(8), fsopen(2)).
func mount(dev, fstype, more string) (tree, error) {
	options, ok := mountOptions[fstype]
	if !ok {
		return tree{}, fmt.Errorf("mount %s: filesystem type %s is not one Orbit reads", dev, fstype)
	}
	var errs []error
	for _, o := range options {
		o = strings.Trim(o+","+more, ",")
		dir, err := fsmount.Mount(dev, fstype, "ro,"+o, fsmount.Untrusted|unix.MOUNT_ATTR_RDONLY)
		if err == nil {
			return tree{dir: dir}, nil
		}
		errs = append(errs, fmt.Errorf("mount %s read-only as %s (%s): %w", dev, fstype, o, err))
		if errors.Is(err, unix.ENOENT) { // no such subvolume: other options will not help
			break
		}
	}
	return tree{}, errs[0]
}

// tree is a mounted filesystem as fs.FS. Symbolic links, absolute ones too,
// stay inside it.
type tree struct{ dir *os.File }

func (t tree) Open(name string) (fs.File, error) { return t.open(name) }

func (t tree) open(name string) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(int(t.dir.Fd()), name, &how)
		if (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) && try < 10 {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), t.dir.Name()+":/"+name), nil
	}
}

// layers looks a path up in several trees, the first that has it. A btrfs
// volume is its top level and the subvolumes a boot loader may start from.
type layers []tree

func (l layers) Open(name string) (fs.File, error) {
	err := error(&fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist})
	for _, t := range l {
		var f *os.File
		if f, err = t.open(name); err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, err
}
