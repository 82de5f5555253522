// Package images keeps disk images in one directory. An image appears under
// its name only when it is complete, on disk and has the digest its sender
// announced; beside it lies NAME.sha256, as sha256sum would write it.
package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Store is one directory of images.
type Store struct {
	dir  string
	mu   sync.Mutex
	busy map[string]bool // names being uploaded
}

// Image describes one complete image.
type Image struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"` // bytes of the file
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256,omitempty"`
}

const (
	sidecar = ".sha256"
	partial = ".upload-" // prefix of what is not complete
)

// NameError refuses the name of an image.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("image name %q: want letters, digits and . _ + -, at most 128, not starting with a sign and not ending in %s", e.Name, sidecar)
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)

// CheckName tells whether a name can be that of an image.
func CheckName(name string) error {
	if !validName.MatchString(name) || strings.HasSuffix(name, sidecar) {
		return &NameError{name}
	}
	return nil
}

// Open makes the directory where needed and clears what broken uploads left.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, partial+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return nil, fmt.Errorf("clear unfinished uploads: %w", err)
	}
	return &Store{dir: dir, busy: map[string]bool{}}, nil
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
			list = append(list, Image{e.Name(), st.Size(), st.ModTime().UTC(), s.SHA256(e.Name())})
		}
	}
	return list, nil
}
