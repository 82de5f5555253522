package adapt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks = 40      // symbolic links in one path, as in Linux
	maxFile  = 4 << 20 // bytes of a file that is read into memory
)

// tree is an installed system's files, seen from its own root. Paths have no
// leading slash; "" is the root.
//
// Everything is reached through a directory that os.Root has opened, by a path
// without links, and a name in it that is not followed.
type tree struct {
	top    *os.Root
	points map[string]*point // mount points below

	// What is not committed yet.
	stage   []change
	pending map[string]string // paths of staged files to their temporary ones
	made    []string          // new directories
}

// point is a mount point. Its filesystem is mounted when it is needed.
type point struct {
	open func() (*os.Root, error) // says in words why it cannot
	root *os.Root
}

// parent is the directory of a path without a leading slash, "" the root.
func parent(name string) string { return name[:max(strings.LastIndexByte(name, '/'), 0)] }

// failed is an error with what was to be done with a path.
func failed(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: "/" + name, Err: err}
}

// at finds the filesystem that holds name, which must have no symbolic links,
// and name's place in it.
func (t *tree) at(name string) (*os.Root, string, error) {
	root, rel := t.top, name
	for dir := name; dir != ""; dir = parent(dir) {
		p := t.points[dir]
		if p == nil {
			continue
		}
		if p.root == nil {
			var err error
			if p.root, err = p.open(); err != nil {
				return nil, "", failed("mount", dir, err)
			}
		}
		root, rel = p.root, strings.TrimPrefix(name[len(dir):], "/")
		break
	}
	if rel == "" {
		rel = "."
	}
	return root, rel, nil
}

// in calls fn with the directory that holds name and its name there.
func (t *tree) in(name string, fn func(fd int, base string) error) error {
	root, rel, err := t.at(name)
	if err != nil {
		return err
	}
	dir, err := root.Open(path.Dir(rel))
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(int(dir.Fd()), path.Base(rel))
}

func (t *tree) lstat(name string) (st unix.Stat_t, err error) {
	err = t.in(name, func(fd int, base string) error { return unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// is tells the type of a file, such as unix.S_IFDIR.
func is(st unix.Stat_t, typ uint32) bool { return st.Mode&unix.S_IFMT == typ }

func (t *tree) readlink(name string) (target string, err error) {
	b := make([]byte, 4096)
	err = t.in(name, func(fd int, base string) error {
		n, err := unix.Readlinkat(fd, base, b)
		target = string(b[:max(n, 0)])
		return err
	})
	return target, err
}

// resolve follows symbolic links as the system itself would, from its own
// root. What does not exist is taken as it is. Without last the last element
// is not followed.
func (t *tree) resolve(name string, last bool) (string, error) {
	done, rest := "", strings.Trim(name, "/")
	for links := 0; rest != ""; {
		elem, more, _ := strings.Cut(rest, "/")
		rest = more
		switch elem {
		case "", ".":
			continue
		case "..":
			done = parent(done)
			continue
		}
		done = path.Join(done, elem)
		if rest == "" && !last {
			break
		}
		st, err := t.lstat(done)
		if errors.Is(err, fs.ErrNotExist) {
			return path.Join("/", done, rest)[1:], nil
		}
		if err != nil {
			return "", err
		}
		if !is(st, unix.S_IFLNK) {
			continue
		}
		if links++; links > maxLinks {
			return "", failed("follow", name, unix.ELOOP)
		}
		target, err := t.readlink(done)
		if err != nil {
			return "", err
		}
		if done = parent(done); path.IsAbs(target) {
			done = ""
		}
		rest = target + "/" + rest
	}
	return done, nil
}

// stat is of what name is in the end, with the path of that.
func (t *tree) stat(name string) (string, unix.Stat_t, error) {
	real, err := t.resolve(name, true)
	if err != nil {
		return "", unix.Stat_t{}, err
	}
	st, err := t.lstat(real)
	return real, st, err
}

// exists tells whether there is a file, directory or anything at name.
func (t *tree) exists(name string) bool {
	_, _, err := t.stat(name)
	return err == nil
}

// open opens a file or directory, which must be of the type.
func (t *tree) open(name string, typ uint32) (*os.File, error) {
	real, st, err := t.stat(name)
	if err != nil {
		return nil, failed("open", name, err)
	}
	if !is(st, typ) {
		return nil, failed("open", name, errType)
	}
	root, rel, err := t.at(real)
	if err != nil {
		return nil, err
	}
	return root.Open(rel)
}

var errType = errors.New("a file of another type is there")

// read gives the content of a regular file.
func (t *tree) read(name string) ([]byte, error) {
	f, err := t.open(name, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = failed("read", name, fmt.Errorf("larger than %d MiB", maxFile>>20))
	}
	return b, err
}

// list gives the names in a directory, none if it does not exist.
func (t *tree) list(dir string) ([]string, error) {
	f, err := t.open(dir, unix.S_IFDIR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// free is the room in bytes on the root filesystem.
func (t *tree) free() (int64, error) {
	f, err := t.open("", unix.S_IFDIR)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	return int64(min(st.Bavail, 1<<40)) * st.Bsize, err
}
