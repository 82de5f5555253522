package adapt

import (
	"errors"
	"fmt"
	"os"

	"github.com/orbit-pxe/orbit/pkg/fsmount"
	"golang.org/x/sys/unix"
)

// mounted is a filesystem that is mounted and appears in no directory.
type mounted struct {
	path string   // of its device
	name *os.File // the mount; it goes away when this and all that is open on it is closed
	dir  *os.File // its top directory, for ioctls
}

// root gives the files of the filesystem; it must be closed before m is.
func (m *mounted) root() (*os.Root, error) {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", m.dir.Fd()))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w (is /proc mounted?)", m.path, err)
	}
	return root, nil
}

// Close makes everything durable and unmounts.
func (m *mounted) Close() error {
	err := unix.Syncfs(int(m.dir.Fd()))
	if err = errors.Join(err, m.dir.Close(), m.name.Close()); err != nil {
		return fmt.Errorf("unmount %s: %w", m.path, err)
	}
	return nil
}

// released makes sure that a device is not mounted any more: an exclusive claim
// fails as long as anything keeps it.
func released(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		return fmt.Errorf("unmount %s: it is still in use: %w", path, err)
	}
	return f.Close()
}

// mount mounts a filesystem, for writing or not. options are those of its
// type, joined by commas. Device nodes, programs and setuid bits on it do not
// work meanwhile.
func mount(path, kind, options string, write bool) (*mounted, error) {
	how := "read-only"
	attr := fsmount.Untrusted
	if write {
		how = "for writing"
	} else {
		attr |= unix.MOUNT_ATTR_RDONLY
		options += ",ro"
	}
	if kind == "xfs" {
		options += ",nouuid" // a second disk with the same image is no conflict
	}
	fail := func(err error) (*mounted, error) {
		return nil, fmt.Errorf("mount %s as %s %s: %w", path, kind, how, err)
	}
	name, err := fsmount.Mount(path, kind, options, attr)
	if err != nil {
		return fail(err)
	}
	// That only names the mount; ioctls want an open directory.
	dir, err := unix.Openat(int(name.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		name.Close()
		return fail(err)
	}
	return &mounted{path, name, os.NewFile(uintptr(dir), path)}, nil
}
