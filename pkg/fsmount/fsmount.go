// Package fsmount mounts filesystems detached: in no directory, reached only
// through the file that stands for the mount, and gone when that and the files
// opened from it are closed (fsopen(2), fsconfig(2), fsmount(2)).
package fsmount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Untrusted is what no mount of a filesystem that somebody else made goes
// without: device nodes, programs and setuid bits on it do not work.
const Untrusted = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// Mount mounts the filesystem of type kind on the block device dev. options are
// those of mount(8) for the type, joined by commas; "ro" among them keeps the
// filesystem itself from writing. attr are MOUNT_ATTR_ flags. The result names
// the mount (O_PATH) for openat(2) and its kind. Errors carry the kernel's own
// words where it has some.
func Mount(dev, kind, options string, attr int) (*os.File, error) {
	ctx, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("the running kernel has no %s: %w", kind, err)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(ctx)
	if err := configure(ctx, dev, options); err != nil {
		return nil, explain(ctx, err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return nil, explain(ctx, err)
	}
	return os.NewFile(uintptr(fd), dev), nil
}

func configure(ctx int, dev, options string) error {
	if err := unix.FsconfigSetString(ctx, "source", dev); err != nil {
		return err
	}
	for o := range strings.SplitSeq(options, ",") {
		key, value, hasValue := strings.Cut(o, "=")
		var err error
		switch {
		case key == "":
		case hasValue:
			err = unix.FsconfigSetString(ctx, key, value)
		default:
			err = unix.FsconfigSetFlag(ctx, key)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", o, err)
		}
	}
	return unix.FsconfigCreate(ctx)
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
