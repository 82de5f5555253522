package adapt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// NoRootError says that no installed system could be found on a disk, or more
// than one.
type NoRootError struct {
	Disk  string
	Found []string // partitions that look like one, if they are too many
	Saw   []string // all partitions that were looked at, with what is on them
}

func (e *NoRootError) Error() string {
	if len(e.Found) > 0 {
		return fmt.Sprintf("find the system on %s: %s each look like one, say which", e.Disk, strings.Join(e.Found, ", "))
	}
	return fmt.Sprintf("find the system on %s: no filesystem with /etc/os-release, or /etc and /usr; looked at %s", e.Disk, strings.Join(e.Saw, ", "))
}

// views are the subvolumes of a btrfs that distributions install into, after
// the one that is mounted by default: Ubuntu and Arch, Debian, Fedora.
var views = map[string][]string{"btrfs": {"", "subvol=@", "subvol=@rootfs", "subvol=root"}}

// findRoot finds the filesystem an installed system has as its root, and the
// options it is mounted with. number chooses a partition, 0 does not.
func findRoot(disk string, parts []*part, number int) (*part, string, error) {
	var root *part
	var options string
	none := &NoRootError{Disk: disk}
	for _, p := range parts {
		if number != 0 && p.Number != number {
			continue
		}
		saw := p.String()
		if p.mountable() && p.Kind != "vfat" {
			o, ok, err := looksLikeRoot(p)
			if err != nil {
				saw = err.Error()
			}
			if ok {
				root, options = p, o
				none.Found = append(none.Found, p.path)
			}
		}
		none.Saw = append(none.Saw, saw)
	}
	if len(none.Found) != 1 {
		return nil, "", none
	}
	return root, options, nil
}

// looksLikeRoot looks into a filesystem, mounted read-only.
func looksLikeRoot(p *part) (options string, ok bool, err error) {
	list := views[p.Kind]
	if list == nil {
		list = []string{""}
	}
	for _, o := range list {
		m, err := mount(p.path, p.Kind, o, false)
		if errors.Is(err, unix.ENOENT) && o != "" {
			continue // no such subvolume
		}
		if err != nil {
			return "", false, err
		}
		root, err := m.root()
		if err == nil {
			ok = hasSystem(root)
			root.Close()
		}
		if err := errors.Join(err, m.Close()); err != nil || ok {
			return o, ok, err
		}
	}
	return "", false, nil
}

func hasSystem(root *os.Root) bool {
	t := &tree{top: root}
	// Often a link into /usr, which may be elsewhere.
	if _, err := t.lstat("etc/os-release"); err == nil {
		return true
	}
	return t.exists("etc") && t.exists("usr")
}

// installed is a system whose files can be changed.
type installed struct {
	tree
	mounts []*mounted // the root's first
}

// open mounts a system for writing, and prepares for what its fstab mounts.
func open(root *part, options string, parts []*part) (*installed, error) {
	m, err := mount(root.path, root.Kind, options, true)
	if err != nil {
		return nil, err
	}
	s := &installed{mounts: []*mounted{m}}
	if s.top, err = m.root(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	fstab, err := s.read("etc/fstab")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("read fstab: %w", err), s.Close())
	}
	s.points = map[string]*point{}
	for _, e := range parseFstab(fstab) {
		s.points[e.point] = &point{open: func() (*os.Root, error) { return s.mount(e, parts) }}
	}
	return s, nil
}

// mount mounts what an entry of fstab means, if it is on the disk.
func (s *installed) mount(e fsEntry, parts []*part) (*os.Root, error) {
	for _, p := range parts {
		if !p.matches(e.spec) {
			continue
		}
		if !p.mountable() {
			return nil, fmt.Errorf("it is on %s, which cannot be mounted here", p)
		}
		options := e.subvolume()
		if p.Kind == "vfat" {
			options = "quiet" // owners and modes are no error there
		}
		m, err := mount(p.path, p.Kind, options, true)
		if err != nil {
			return nil, err
		}
		s.mounts = append(s.mounts, m)
		return m.root()
	}
	return nil, fmt.Errorf("a filesystem of its own, %s, which is not on this disk", e.spec)
}

// Close forgets what is not committed and unmounts everything.
func (s *installed) Close() error {
	s.abort()
	var errs []error
	if s.top != nil {
		errs = append(errs, s.top.Close())
	}
	for _, p := range s.points {
		if p.root != nil {
			errs = append(errs, p.root.Close())
		}
	}
	for _, m := range s.mounts {
		errs = append(errs, m.Close())
	}
	for _, m := range s.mounts {
		errs = append(errs, released(m.path))
	}
	return errors.Join(errs...)
}
