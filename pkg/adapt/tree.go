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
type tree struct {
	top    *os.Root
	points map[string]*point // mount points below

	// What is not committed yet.
	stage   []change
	pending map[string]string // paths of staged files to their temporary ones
	made    []string          // new directories
}

// parent is the directory of a path without a leading slash, "" the root.
func parent(name string) string { return name[:max(strings.LastIndexByte(name, '/'), 0)] }

// point is a mount point. Its filesystem is mounted when it is needed.
type point struct {
	open func() (*os.Root, error) // says in words why it cannot
	root *os.Root
}

// at finds the filesystem that holds name, which must have no symbolic links,
// and name's place in it.
func (t *tree) at(name string) (*os.Root, string, error) {
	for dir := name; dir != ""; dir = parent(dir) {
		p := t.points[dir]
		if p == nil {
			continue
		}
		if p.root == nil {
			root, err := p.open()
			if err != nil {
				return nil, "", fmt.Errorf("/%s: %w", dir, err)
			}
			p.root = root
		}
		return p.root, inside(strings.TrimPrefix(name[len(dir):], "/")), nil
	}
	return t.top, inside(name), nil
}

func inside(name string) string {
	if name == "" {
		return "."
	}
	return name
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
		info, err := t.lstat(done)
		if errors.Is(err, fs.ErrNotExist) {
			return strings.TrimPrefix(path.Join("/", done, rest), "/"), nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("/%s: %w", name, unix.ELOOP)
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

func (t *tree) lstat(name string) (fs.FileInfo, error) {
	root, rel, err := t.at(name)
	if err != nil {
		return nil, err
	}
	return root.Lstat(rel)
}

func (t *tree) readlink(name string) (string, error) {
	root, rel, err := t.at(name)
	if err != nil {
		return "", err
	}
	return root.Readlink(rel)
}

// stat is of what name is in the end, with the path of that.
func (t *tree) stat(name string) (string, fs.FileInfo, error) {
	real, err := t.resolve(name, true)
	if err != nil {
		return "", nil, err
	}
	info, err := t.lstat(real)
	return real, info, err
}

// exists tells whether there is a file, directory or anything at name.
func (t *tree) exists(name string) bool {
	_, _, err := t.stat(name)
	return err == nil
}

// read gives the content of a regular file, and nothing with fs.ErrNotExist.
func (t *tree) read(name string) ([]byte, error) {
	real, info, err := t.stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read /%s: it is not a regular file", real)
	}
	root, rel, err := t.at(real)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("read /%s: larger than %d MiB", real, maxFile>>20)
	}
	return b, err
}

// list gives the names in a directory, none if it does not exist.
func (t *tree) list(dir string) ([]string, error) {
	real, info, err := t.stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	root, rel, err := t.at(real)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// free is the room in bytes on the root filesystem.
func (t *tree) free() (int64, error) {
	f, err := t.top.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, err
	}
	return int64(min(st.Bavail, 1<<40)) * st.Bsize, nil
}
