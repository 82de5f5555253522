// Package images keeps disk images in one directory. An image appears under
// its name only when it is complete, on disk, has the digest its sender
// announced and passes the store's own check; beside it lies NAME.sha256, as
// sha256sum would write it.
//
// An upload may be interrupted and resumed, also after a restart. Until its end
// it is in two files:
//
//	.upload-ID       what has arrived
//	.upload-ID.json  its name and what else must be known, see record
package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// Store is one directory of images.
type Store struct {
	dir     string
	o       Options
	mu      sync.Mutex
	names   map[string]*Upload // on their way in, by the name they will have
	uploads map[string]*Upload // those that can be resumed and those remembered, by ID
	roots   map[string]rooted  // of images, by name
	sums    sums
}

// Options say what a store takes, and how it is checked. The zero value is good.
type Options struct {
	MaxSize int64         // of an image, in bytes; 0 is no limit but the disk
	Grace   time.Duration // an interrupted upload keeps its name from others; 0 is DefaultGrace
	Keep    time.Duration // an interrupted upload can be resumed; 0 is DefaultKeep

	// Assemble makes the image at the path dest of what was uploaded, where that is
	// not the image itself: a part that needs the rest of another image. It
	// leaves dest alone where the upload is the image. May be nil.
	Assemble func(ctx context.Context, uploaded, dest string) error
	// Verify checks a whole image before it gets its name. May be nil.
	Verify func(ctx context.Context, path string) error
}

// Defaults of Options.
const (
	DefaultGrace = 2 * time.Minute
	DefaultKeep  = 24 * time.Hour
)

// Image describes one complete image.
type Image struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"` // bytes of the file
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256,omitempty"`
	Format   string    `json:"format,omitempty"` // FormatOrbit, FormatNDZ or a stream.Format
	Disk     int64     `json:"disk,omitempty"`   // bytes that it speaks for, where it tells
}

const (
	sidecar = ".sha256"
	partial = ".upload-" // prefix of what is not complete
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)

// CheckName tells whether a name can be that of an image.
func CheckName(name string) error {
	if !validName.MatchString(name) || strings.HasSuffix(name, sidecar) || strings.HasSuffix(name, frisbee.SumsSuffix) {
		return &NameError{name}
	}
	return nil
}

// Open is OpenWith with the default options.
func Open(dir string) (*Store, error) { return OpenWith(dir, Options{}) }

// OpenWith makes the directory where needed, takes up the uploads that can be
// resumed, and clears what others left.
func OpenWith(dir string, o Options) (*Store, error) {
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.Keep = cmp.Or(o.Keep, DefaultKeep)
	s := &Store{dir: dir, o: o, names: map[string]*Upload{}, uploads: map[string]*Upload{}, roots: map[string]rooted{},
		sums: sums{known: map[string]*summed{}}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("clear unfinished uploads: %w", err)
	}
	return s, nil
}

// Open opens an image, or the sidecar of one, for reading.
func (s *Store) Open(name string) (*os.File, error) {
	if err := CheckName(strings.TrimSuffix(name, sidecar)); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("open image %s: not a regular file", name), err, f.Close())
	}
	return f, nil
}

// SHA256 is the digest in an image's sidecar, "" where there is none.
func (s *Store) SHA256(name string) string {
	if CheckName(name) != nil {
		return ""
	}
	data, err := os.ReadFile(filepath.Join(s.dir, name+sidecar))
	if err != nil {
		return ""
	}
	digest, _, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	if len(digest) != 64 || strings.Trim(strings.ToLower(digest), "0123456789abcdef") != "" {
		return ""
	}
	return strings.ToLower(digest)
}

// Has tells whether there is an image of this name.
func (s *Store) Has(name string) bool {
	f, err := s.Open(name)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// List describes all images, by name.
func (s *Store) List() ([]Image, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	list := []Image{}
	for _, e := range entries {
		if CheckName(e.Name()) != nil {
			continue
		}
		st, err := os.Stat(filepath.Join(s.dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // replaced meanwhile, or a dangling link
		}
		if err != nil {
			return nil, fmt.Errorf("list images: %w", err)
		}
		if st.Mode().IsRegular() {
			i := Image{Name: e.Name(), Size: st.Size(), Modified: st.ModTime().UTC(), SHA256: s.SHA256(e.Name())}
			i.Format, i.Disk = s.describe(i.Name)
			list = append(list, i)
		}
	}
	return list, nil
}

// MaxSize is the greatest number of bytes of an image, 0 for no limit.
func (s *Store) MaxSize() int64 { return s.o.MaxSize }
