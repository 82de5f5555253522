// Package archive lays out the initramfs: which file is where, with which
// mode. Everything about it is decided here or in initramfs/files, nothing is
// taken from the machine that builds: neither modes, nor times, nor order.
package archive

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/initramfs/cpio"
)

// A Tree is the content of an initramfs by path. The zero value is empty.
type Tree struct{ entries map[string]cpio.Entry }

// Put adds entries, in place of those already there, and the directories
// above them.
func (t *Tree) Put(entries ...cpio.Entry) {
	if t.entries == nil {
		t.entries = map[string]cpio.Entry{}
	}
	for _, e := range entries {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if _, ok := t.entries[dir]; !ok {
				t.entries[dir] = cpio.Dir(dir, 0o755)
			}
		}
		t.entries[e.Name] = e
	}
}

// PutFS adds the files of fsys below the directory at. Of their modes only
// the executable bit is kept: umask and owners differ between machines.
func (t *Tree) PutFS(fsys fs.FS, at string) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dest := path.Join(at, name)
		switch d.Type() {
		case fs.ModeDir:
			if dest != "." {
				t.Put(cpio.Dir(dest, 0o755))
			}
		case fs.ModeSymlink:
			target, err := fs.ReadLink(fsys, name)
			if err != nil {
				return err
			}
			t.Put(cpio.Link(dest, target))
		case 0:
			info, err := d.Info()
			if err != nil {
				return err
			}
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			t.Put(cpio.File(dest, permissions(info), data))
		default:
			return fmt.Errorf("%s is neither a file, a directory nor a symbolic link", name)
		}
		return nil
	})
}

// PutPath adds the file or directory tree src of this machine as dest.
func (t *Tree) PutPath(src, dest string) error {
	dest = strings.Trim(path.Clean("/"+dest), "/")
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return t.PutFS(os.DirFS(src), dest)
	}
	if dest == "" {
		return fmt.Errorf("%s is a file: name the file it becomes", src)
	}
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	t.Put(cpio.File(dest, permissions(info), data))
	return nil
}

// permissions keeps of a mode whether anyone may execute the file.
func permissions(info fs.FileInfo) uint32 {
	if info.Mode()&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// Entries returns everything, each directory before what is in it.
func (t *Tree) Entries() []cpio.Entry {
	return slices.SortedFunc(maps.Values(t.entries), func(a, b cpio.Entry) int { return cmp.Compare(a.Name, b.Name) })
}

// WriteTo writes the tree as a cpio archive.
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	var buf bytes.Buffer
	cw := cpio.NewWriter(&buf)
	for _, e := range t.Entries() {
		if err := cw.Write(e); err != nil {
			return 0, err
		}
	}
	if err := cw.Close(); err != nil {
		return 0, err
	}
	return buf.WriteTo(w)
}
