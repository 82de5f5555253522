package adapt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// change is one thing to be done at commit: temp gets the name name, or with
// no temp what is at name goes away.
type change struct {
	root       *os.Root
	temp, name string // within root
}

// attr is what a file has beside its content.
type attr struct {
	mode     fs.FileMode
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
	return t.put(name, &a, func(root *os.Root, temp string) error {
		f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	})
}

// symlink stages a symbolic link at name.
func (t *tree) symlink(name, target string, a attr) error {
	a.mode = fs.ModeSymlink
	return t.put(name, &a, func(root *os.Root, temp string) error { return root.Symlink(target, temp) })
}

// link stages another name of a file that is there or staged.
func (t *tree) link(name, target string) error {
	real, err := t.resolve(target, false)
	if err != nil {
		return fmt.Errorf("link to /%s: %w", target, err)
	}
	if temp, ok := t.pending[real]; ok {
		real = temp
	}
	from, rel, err := t.at(real)
	if err != nil {
		return fmt.Errorf("link to /%s: %w", target, err)
	}
	return t.put(name, nil, func(root *os.Root, temp string) error {
		if root != from {
			return fmt.Errorf("link to /%s: %w", target, unix.EXDEV)
		}
		return root.Link(rel, temp)
	})
}

// put stages what create makes under a temporary name. It is given the owner,
// mode and label of a, unless a is nil.
func (t *tree) put(name string, a *attr, create func(root *os.Root, temp string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write /%s: %w", name, err)
		}
	}()
	real, err := t.resolve(name, false)
	if err != nil {
		return err
	}
	root, rel, err := t.at(real)
	if err != nil {
		return err
	}
	old, err := root.Lstat(rel)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && old.IsDir() {
		return errors.New("a directory is there")
	}
	base := ".orbit-" + strconv.Itoa(len(t.stage)) + ".new"
	temp := path.Join(path.Dir(rel), base)
	// A power cut may have left one.
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t.stage = append(t.stage, change{root, temp, rel})
	if t.pending == nil {
		t.pending = map[string]string{}
	}
	t.pending[real] = path.Join(parent(real), base)
	if err := create(root, temp); err != nil || a == nil {
		return err
	}
	label := ""
	if old != nil && old.Mode().IsRegular() {
		label = getLabel(root, rel)
		if st, ok := old.Sys().(*syscall.Stat_t); ok && a.keep {
			a.mode, a.uid, a.gid = old.Mode(), int(st.Uid), int(st.Gid)
		}
	}
	if label == "" {
		label = retype(getLabel(root, path.Dir(rel)), a.label)
	}
	return dress(root, temp, *a, label)
}

// dress gives a new file its owner, mode, label and time. A change of owner
// drops setuid bits, so that comes first.
func dress(root *os.Root, name string, a attr, label string) error {
	if err := root.Lchown(name, a.uid, a.gid); err != nil {
		return err
	}
	if err := setLabel(root, name, label); err != nil {
		return err
	}
	if a.mode&fs.ModeSymlink != 0 {
		return nil
	}
	if err := root.Chmod(name, a.mode&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
		return err
	}
	if a.time.IsZero() {
		return nil
	}
	return root.Chtimes(name, a.time, a.time)
}

// remove stages the removal of a file or link; that it is there already gone
// is fine.
func (t *tree) remove(name string) error {
	real, err := t.resolve(name, false)
	if err != nil {
		return fmt.Errorf("remove /%s: %w", name, err)
	}
	root, rel, err := t.at(real)
	if err != nil {
		return fmt.Errorf("remove /%s: %w", name, err)
	}
	info, err := root.Lstat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && info.IsDir():
		return fmt.Errorf("remove /%s: it is a directory", real)
	case err != nil:
		return fmt.Errorf("remove /%s: %w", real, err)
	}
	t.stage = append(t.stage, change{root, "", rel})
	return nil
}

// mkdir makes a directory, and those above it, at once. Those that are there
// stay as they are; new ones above it are open to all.
func (t *tree) mkdir(name string, a attr) error {
	real, info, err := t.stat(name)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("make directory /%s: a file is there", real)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make directory /%s: %w", name, err)
	}
	if dir := parent(real); dir != "" {
		if err := t.mkdir(dir, attr{mode: 0o755}); err != nil {
			return err
		}
	}
	root, rel, err := t.at(real)
	if err == nil {
		err = root.Mkdir(rel, 0o700)
	}
	if err == nil {
		t.made = append(t.made, real)
		err = dress(root, rel, a, retype(getLabel(root, path.Dir(rel)), a.label))
	}
	if err != nil {
		return fmt.Errorf("make directory /%s: %w", real, err)
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
		var err error
		if c.temp != "" {
			err = c.root.Rename(c.temp, c.name)
		} else {
			err = c.root.Remove(c.name)
		}
		if err != nil {
			t.abort()
			return fmt.Errorf("put files in place: %w", err)
		}
		t.stage = t.stage[1:]
	}
	t.made, t.pending = nil, nil
	return t.sync()
}

// abort forgets what is staged and not in its place yet.
func (t *tree) abort() {
	for _, c := range t.stage {
		if c.temp != "" {
			c.root.Remove(c.temp) // of no use to anyone; nothing depends on it
		}
	}
	for i := len(t.made) - 1; i >= 0; i-- {
		if root, rel, err := t.at(t.made[i]); err == nil {
			root.Remove(rel) // fails where something is in it, rightly
		}
	}
	t.stage, t.made, t.pending = nil, nil, nil
}

// sync writes the filesystems that are in use back to their disks.
func (t *tree) sync() error {
	roots := []*os.Root{t.top}
	for _, p := range t.points {
		if p.root != nil {
			roots = append(roots, p.root)
		}
	}
	for _, r := range roots {
		f, err := r.Open(".")
		if err != nil {
			return fmt.Errorf("write back: %w", err)
		}
		if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
			return fmt.Errorf("write back: %w", err)
		}
	}
	return nil
}
