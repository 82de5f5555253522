package adapt

import (
	"errors"
	"fmt"
	"os"
	"strings"

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
	attr := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	if write {
		how = "for writing"
	} else {
		attr |= unix.MOUNT_ATTR_RDONLY
		options += ",ro"
	}
	if kind == "xfs" {
		options += ",nouuid" // a second disk with the same image is no conflict
	}
	m, err := fsmount(path, kind, options, attr)
	if errors.Is(err, unix.ENODEV) {
		err = fmt.Errorf("the running kernel has no %s: %w", kind, err)
	}
	if err != nil {
		return nil, fmt.Errorf("mount %s as %s %s: %w", path, kind, how, err)
	}
	return m, nil
}

func fsmount(path, kind, options string, attr int) (*mounted, error) {
	ctx, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigSetString(ctx, "source", path); err != nil {
		return nil, explain(ctx, err)
	}
	for _, o := range strings.Split(options, ",") {
		key, value, hasValue := strings.Cut(o, "=")
		switch {
		case key == "":
			continue
		case hasValue:
			err = unix.FsconfigSetString(ctx, key, value)
		default:
			err = unix.FsconfigSetFlag(ctx, key)
		}
		if err != nil {
			return nil, explain(ctx, err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, explain(ctx, err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return nil, explain(ctx, err)
	}
	// That descriptor only names the mount; ioctls want an open directory.
	name := os.NewFile(uintptr(fd), path)
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		name.Close()
		return nil, err
	}
	return &mounted{path, name, os.NewFile(uintptr(dir), path)}, nil
}

// explain adds the words that the kernel left in a filesystem context.
func explain(ctx int, err error) error {
	var lines []string
	buf := make([]byte, 1024)
	for len(lines) < 8 {
		n, rerr := unix.Read(ctx, buf)
		if rerr != nil || n <= 0 {
			break
		}
		// "e message", "w message", "i message"
		if s := strings.TrimSpace(string(buf[:n])); len(s) > 2 && s[0] == 'e' {
			lines = append(lines, s[2:])
		}
	}
	if len(lines) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(lines, "; "), err)
}
