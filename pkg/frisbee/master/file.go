package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// file writes an image under another name until it is whole.
type file struct {
	*os.File
	path string
}

// Create begins a file. It gets its name when it is committed, in place of one
// that has the name, and is on disk then.
func Create(path string) (Writer, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return nil, fmt.Errorf("create image: %w", err)
	}
	return &file{f, path}, nil
}

func (f *file) Commit(modified time.Time) error {
	err := f.Chmod(0o644)
	if err == nil && !modified.IsZero() {
		err = os.Chtimes(f.Name(), time.Time{}, modified)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("complete image: %w", err)
	}
	return nil
}

// Abort may follow a Commit that failed.
func (f *file) Abort() error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Stat fills in what an Upload says of a file that exists.
func (u *Upload) Stat(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at image: %w", err)
	}
	u.Exists, u.Size = true, uint64(info.Size())
	u.Signature = wire.ModTimeSignature(uint32(info.ModTime().Unix()))
	return nil
}
