package images

import (
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// Formats of images, beside those of package stream.
const (
	FormatOrbit = "orbit"
	FormatNDZ   = "ndz"
)

// rooted is what is remembered of an image.
type rooted struct {
	file   os.FileInfo
	root   image.Digest // zero: it has none
	format string
	disk   int64 // bytes, 0 for not known
}

// Root is the root of an image that Open opened, if it is an Orbit image. It is
// read once.
func (s *Store) Root(f *os.File) (root image.Digest, ok bool) {
	r := s.look(f)
	return r.root, !r.root.IsZero()
}

// describe tells the format of the image of a name, and how large the disk is
// that it is of.
func (s *Store) describe(name string) (format string, disk int64) {
	f, err := s.Open(name)
	if err != nil {
		return "", 0 // it is gone
	}
	defer f.Close()
	r := s.look(f)
	return r.format, r.disk
}

// look reads what is remembered of an image, unless it is remembered already.
func (s *Store) look(f *os.File) rooted {
	st, err := f.Stat()
	if err != nil {
		return rooted{}
	}
	name := filepath.Base(f.Name())
	s.mu.Lock()
	known, ok := s.roots[name]
	s.mu.Unlock()
	if ok && os.SameFile(known.file, st) && known.file.Size() == st.Size() && known.file.ModTime().Equal(st.ModTime()) {
		return known
	}
	r := rooted{file: st}
	x, err := image.ReadIndex(f, st.Size())
	switch {
	case err == nil:
		r.format, r.disk = FormatOrbit, x.Size
		if !x.Partial() {
			r.root = x.Root()
		}
	case !image.IsDamaged(err):
		return r // it cannot be read now
	default:
		if r.format, r.disk, err = sniff(f, st.Size()); err != nil {
			return r
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots[name] = r
	return r
}

// sniff tells the format of what is no Orbit image, and what it tells of its
// disk without being read from front to back.
func sniff(f *os.File, size int64) (format string, disk int64, err error) {
	head := make([]byte, min(size, ndz.HeaderSize))
	if _, err := f.ReadAt(head, 0); err != nil {
		return "", 0, err
	}
	if !ndz.Sniff(head) {
		return string(stream.Detect(head)), 0, nil
	}
	if size%ndz.ChunkSize != 0 {
		return FormatNDZ, 0, nil
	}
	if _, err := f.ReadAt(head, size-ndz.ChunkSize); err != nil {
		return "", 0, err
	}
	if h, err := ndz.ParseHeader(head); err == nil {
		disk = int64(h.Last) * ndz.Sector // the chunks are in order
	}
	return FormatNDZ, disk, nil
}
