package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// ErrBusy says that an image of this name is being uploaded already.
var ErrBusy = errors.New("an upload of the same name is under way")

// DigestError says that what arrived is not what was sent.
type DigestError struct{ Want, Got string } // hex SHA-256

func (e *DigestError) Error() string {
	return fmt.Sprintf("sha256 of the upload is %s, its sender says %s: nothing was stored", e.Got, e.Want)
}

// SpaceError says that the disk is too full.
type SpaceError struct {
	Dir  string
	Need int64 // bytes, 0 where not known
	Free int64 // bytes
}

func (e *SpaceError) Error() string {
	if e.Need > 0 {
		return fmt.Sprintf("no space for the image in %s: %d bytes needed, %d free", e.Dir, e.Need, e.Free)
	}
	return fmt.Sprintf("no space left for the image in %s (%d bytes free)", e.Dir, e.Free)
}

// Upload is an image on its way in. Either Commit or Abort ends it.
type Upload struct {
	store *Store
	name  string
	file  *os.File
	hash  hash.Hash
	size  int64
}

// Create starts an upload of size bytes, -1 where that is not known.
func (s *Store) Create(name string, size int64) (*Upload, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if free := s.free(); size > free {
		return nil, &SpaceError{s.dir, size, free}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[name] {
		return nil, fmt.Errorf("store image %s: %w", name, ErrBusy)
	}
	f, err := os.CreateTemp(s.dir, partial+"*")
	if err != nil {
		return nil, fmt.Errorf("store image %s: %w", name, s.space(err))
	}
	s.busy[name] = true
	return &Upload{store: s, name: name, file: f, hash: sha256.New()}, nil
}

// Write adds bytes to the end.
func (u *Upload) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	u.hash.Write(p[:n])
	u.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("store image %s at byte %d: %w", u.name, u.size, u.store.space(err))
	}
	return n, nil
}

// Commit publishes the image if its SHA-256 is want (hex; "" accepts any), and
// tells whether it replaced another of the same name. The old sidecar goes
// first and the new one comes last, so that at no moment does a sidecar lie
// beside an image that it does not belong to.
func (u *Upload) Commit(want string) (image Image, replaced bool, err error) {
	got := hex.EncodeToString(u.hash.Sum(nil))
	if want != "" && want != got {
		return image, false, errors.Join(&DigestError{want, got}, u.Abort())
	}
	path := filepath.Join(u.store.dir, u.name)
	if err := errors.Join(u.file.Chmod(0o644), u.file.Sync()); err != nil {
		return image, false, errors.Join(fmt.Errorf("store image %s: %w", u.name, u.store.space(err)), u.Abort())
	}
	_, err = os.Lstat(path)
	replaced = err == nil
	if err := os.Remove(path + sidecar); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return image, false, errors.Join(err, u.Abort())
	}
	if err := os.Rename(u.file.Name(), path); err != nil {
		return image, false, errors.Join(err, u.Abort())
	}
	defer u.end()
	line := got + "  " + u.name + "\n"
	if err := durable.WriteFile(path+sidecar, []byte(line), 0o644); err != nil {
		return image, replaced, fmt.Errorf("image %s is stored, its sidecar is not: %w", u.name, u.store.space(err))
	}
	st, err := u.file.Stat()
	if err != nil {
		return image, replaced, err
	}
	return Image{u.name, st.Size(), st.ModTime().UTC(), got}, replaced, nil
}

// Abort forgets the upload.
func (u *Upload) Abort() error {
	defer u.end()
	return os.Remove(u.file.Name())
}

func (u *Upload) end() {
	u.file.Close() // its contents were synced or are unwanted
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	delete(u.store.busy, u.name)
}

// space turns "no space left on device" into an error that says how much.
func (s *Store) space(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &SpaceError{Dir: s.dir, Free: s.free()}
	}
	return err
}

func (s *Store) free() int64 {
	var st unix.Statfs_t
	if unix.Statfs(s.dir, &st) != nil {
		return 0
	}
	return int64(st.Bavail) * st.Bsize
}
