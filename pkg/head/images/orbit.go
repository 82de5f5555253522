package images

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/image"
)

// OpenOrbit opens a store that knows Orbit images: an upload that is only the
// difference to another image is put together with it, and nothing gets its name
// that is damaged. Assemble and Verify of the options are set here.
func OpenOrbit(dir string, o Options) (*Store, error) {
	var s *Store
	o.Assemble = func(ctx context.Context, uploaded, dest string) error { return s.assemble(ctx, uploaded, dest) }
	o.Verify = func(ctx context.Context, path string) error { return verify(ctx, path, s.nameOf(path)) }
	var err error
	s, err = OpenWith(dir, o)
	return s, err
}

// nameOf is the name that what lies at path will have.
func (s *Store) nameOf(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, u := range s.names {
		if u.path == path || u.path+whole == path {
			return name
		}
	}
	return ""
}

// ParentError says that the image is not here that an upload is the difference
// to.
type ParentError struct{ Root image.Digest }

func (e *ParentError) Error() string {
	return fmt.Sprintf("it is the difference to the image with the root %s, which is not here: upload that first, or save without a parent", e.Root)
}

// assemble writes to dest the whole image that an upload and its parent make. It
// leaves dest alone where the upload needs no parent, or is no Orbit image:
// what is wrong with it, verify tells.
func (s *Store) assemble(ctx context.Context, uploaded, dest string) error {
	part, f, err := openImage(uploaded)
	if f != nil {
		defer f.Close()
	}
	if image.IsDamaged(err) || err == nil && !part.Partial() {
		return nil
	}
	if err != nil {
		return err
	}
	if part.Meta.Parent == nil {
		return errors.New("it has only parts of its disk, and names no image that has the others")
	}
	parent, p, err := s.find(*part.Meta.Parent)
	if err != nil {
		return err
	}
	defer p.Close()
	size := assembledSize(part, parent)
	err = s.mayHave(size)
	if free := s.free(); err == nil && size > free {
		err = &SpaceError{s.dir, size, free}
	}
	if err != nil {
		return fmt.Errorf("put it together with its parent %s: %w", filepath.Base(p.Name()), err)
	}
	out, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(&assembly{ctx: ctx, s: s, w: out}, 1<<20)
	_, err = image.Assemble(b, part, parent)
	if err == nil {
		err = b.Flush()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(fmt.Errorf("put it together with its parent %s: %w", filepath.Base(p.Name()), err), os.Remove(dest))
	}
	return nil
}

// openImage opens a file and reads its index. The file is open even where that
// fails, if it is not nil.
func openImage(path string) (image.File, *os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.File{}, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return image.File{}, f, err
	}
	file, err := image.Open(f, st.Size())
	return file, f, err
}

// find opens the image that has a root.
func (s *Store) find(root image.Digest) (image.File, *os.File, error) {
	list, err := s.List()
	if err != nil {
		return image.File{}, nil, err
	}
	for _, i := range list {
		f, err := s.Open(i.Name)
		if err != nil {
			continue // replaced by something else meanwhile
		}
		got, ok := s.Root(f)
		st, err := f.Stat()
		if !ok || got != root || err != nil {
			f.Close()
			continue
		}
		file, err := image.Open(f, st.Size())
		if err != nil {
			f.Close()
			return image.File{}, nil, fmt.Errorf("read parent image %s: %w", i.Name, err)
		}
		return file, f, nil
	}
	return image.File{}, nil, &ParentError{root}
}

// RootOf is the root of the image of this name, "" where it is no Orbit image.
func (s *Store) RootOf(name string) string {
	f, err := s.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	root, ok := s.Root(f)
	if !ok {
		return ""
	}
	return root.String()
}

// assembledSize is how many bytes the whole image has at least: its spans, without
// the index.
func assembledSize(part, parent image.File) int64 {
	n := part.DataEnd()
	for _, f := range part.Frames() {
		if f.Kind == image.Inherited && f.First < parent.Spans() {
			n += parent.Find(f.First).Stored
		}
	}
	return n
}

// mayHave fails if an image of so many bytes is longer than this store takes.
func (s *Store) mayHave(size int64) error {
	if most := s.o.MaxSize; most > 0 && size > most {
		return fmt.Errorf("the whole image has %d bytes or more: %w", size, &LimitError{most})
	}
	return nil
}

// assembly writes an image that is put together. It fails once its context is
// done, or the image is longer than the store takes.
type assembly struct {
	ctx context.Context
	s   *Store
	w   io.Writer
	n   int64
}

func (a *assembly) Write(p []byte) (int, error) {
	if err := context.Cause(a.ctx); err != nil {
		return 0, err
	}
	a.n += int64(len(p))
	if err := a.s.mayHave(a.n); err != nil {
		return 0, err
	}
	return a.w.Write(p)
}
