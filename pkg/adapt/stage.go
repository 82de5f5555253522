package adapt

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// change is one thing to be done at commit: the file at temp gets the name
// name, or with no temp what is at name goes away.
type change struct{ temp, name string }

// attr is what a file has beside its content.
type attr struct {
	mode     uint32 // permissions with setuid, setgid and sticky bit
	uid, gid int
	time     time.Time // of the last change, zero means now
	keep     bool      // a file that is there keeps its own mode and owner
	label    string    // SELinux type of a new file, "" means that of its directory
}

// system is for files of the system that anyone may read.
var system = attr{mode: 0o644, keep: true}

// write stages a file with the content of r at name. A symbolic link there is
// replaced.
func (t *tree) write(name string, r io.Reader, a attr) error {
	return t.put(name, &a, unix.S_IFREG, func(fd int, temp string) error {
		n, err := unix.Openat(fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(n), temp)
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	})
}

// symlink stages a symbolic link at name.
func (t *tree) symlink(name, target string, a attr) error {
	return t.put(name, &a, unix.S_IFLNK, func(fd int, temp string) error { return unix.Symlinkat(target, fd, temp) })
}

// link stages another name of a file that is there or staged.
func (t *tree) link(name, target string) error {
	real, err := t.resolve(target, false)
	if err != nil {
		return err
	}
	if temp, ok := t.pending[real]; ok {
		real = temp
	}
	err = t.in(real, func(from int, old string) error {
		return t.put(name, nil, 0, func(fd int, temp string) error { return unix.Linkat(from, old, fd, temp, 0) })
	})
	if err != nil {
		return failed("link to", target, err)
	}
	return nil
}

// put stages what create makes under a temporary name, a file of the type. It
// is given the owner, mode and label of a, unless a is nil.
func (t *tree) put(name string, a *attr, typ uint32, create func(fd int, temp string) error) error {
	real, err := t.resolve(name, false)
	if err != nil {
		return failed("write", name, err)
	}
	err = t.in(real, func(fd int, base string) error {
		var old unix.Stat_t
		err := unix.Fstatat(fd, base, &old, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if is(old, unix.S_IFDIR) {
			return unix.EISDIR
		}
		temp := ".orbit-" + strconv.Itoa(len(t.stage)) + ".new"
		// A power cut may have left one.
		if err := unix.Unlinkat(fd, temp, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if t.pending == nil {
			t.pending = map[string]string{}
		}
		t.pending[real] = path.Join(parent(real), temp)
		t.stage = append(t.stage, change{t.pending[real], real})
		if err := create(fd, temp); err != nil || a == nil {
			return err
		}
		label := ""
		if is(old, unix.S_IFREG) {
			label = getLabel(fd, base)
			if a.keep {
				a.mode, a.uid, a.gid = old.Mode, int(old.Uid), int(old.Gid)
			}
		}
		return dress(fd, temp, typ, *a, label)
	})
	if err != nil {
		return failed("write", real, err)
	}
	return nil
}

// dress gives a new file its owner, mode, label and time. A change of owner
// drops setuid bits, so that comes first.
func dress(fd int, name string, typ uint32, a attr, label string) error {
	if err := unix.Fchownat(fd, name, a.uid, a.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if label == "" {
		label = retype(getLabel(fd, "."), a.label)
	}
	if err := setLabel(fd, name, label); err != nil || typ == unix.S_IFLNK {
		return err
	}
	if err := unix.Fchmodat(fd, name, a.mode&0o7777, 0); err != nil || a.time.IsZero() {
		return err
	}
	stamp := unix.NsecToTimespec(a.time.UnixNano())
	return unix.UtimesNanoAt(fd, name, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
}

// remove stages the removal of a file or link. None there is fine.
func (t *tree) remove(name string) error {
	real, err := t.resolve(name, false)
	if err != nil {
		return failed("remove", name, err)
	}
	st, err := t.lstat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && is(st, unix.S_IFDIR):
		err = unix.EISDIR
	}
	if err != nil {
		return failed("remove", real, err)
	}
	t.stage = append(t.stage, change{"", real})
	return nil
}

// mkdir makes a directory, and those above it, at once. Those that are there
// stay as they are; new ones above it are open to all.
func (t *tree) mkdir(name string, a attr) error {
	real, st, err := t.stat(name)
	if err == nil && !is(st, unix.S_IFDIR) {
		err = unix.ENOTDIR
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return failed("make directory", name, err)
	}
	if dir := parent(real); dir != "" {
		if err := t.mkdir(dir, attr{mode: 0o755}); err != nil {
			return err
		}
	}
	err = t.in(real, func(fd int, base string) error {
		if err := unix.Mkdirat(fd, base, 0o700); err != nil {
			return err
		}
		t.made = append(t.made, real)
		return dress(fd, base, unix.S_IFDIR, a, "")
	})
	if err != nil {
		return failed("make directory", real, err)
	}
	return nil
}

// commit makes what is staged durable, then puts it in its place, durably.
func (t *tree) commit() error {
	if err := t.sync(); err != nil {
		t.abort()
		return err
	}
	for len(t.stage) > 0 {
		c := t.stage[0]
		err := t.in(c.name, func(fd int, base string) error {
			if c.temp == "" {
				return unix.Unlinkat(fd, base, 0)
			}
			temp := path.Base(c.temp)
			if err := unix.Renameat(fd, temp, fd, base); err != nil {
				return err
			}
			// Between two names of one file a rename does nothing (POSIX).
			if err := unix.Unlinkat(fd, temp, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
		if err != nil {
			t.abort()
			return failed("put in place", c.name, err)
		}
		t.stage = t.stage[1:]
	}
	t.made, t.pending = nil, nil
	return t.sync()
}

// abort forgets what is staged and not in its place yet. What it cannot remove
// is of no use to anyone, and of no harm.
func (t *tree) abort() {
	for _, c := range t.stage {
		if c.temp != "" {
			t.in(c.temp, func(fd int, base string) error { return unix.Unlinkat(fd, base, 0) })
		}
	}
	for i := len(t.made) - 1; i >= 0; i-- {
		t.in(t.made[i], func(fd int, base string) error { return unix.Unlinkat(fd, base, unix.AT_REMOVEDIR) })
	}
	t.stage, t.made, t.pending = nil, nil, nil
}

// sync writes the filesystems that are in use back to their disks.
func (t *tree) sync() error {
	names := []string{""}
	for name, p := range t.points {
		if p.root != nil {
			names = append(names, name)
		}
	}
	for _, name := range names {
		f, err := t.open(name, unix.S_IFDIR)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
			return failed("write back", name, err)
		}
	}
	return nil
}
