package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Upload is an image on its way in, in the hands of one request. Commit, Abort
// or Release ends that.
type Upload struct {
	Modified time.Time // to give to the image, zero for now; set it before Commit

	store *Store
	id    string // "" if it is lost once it is interrupted
	path  string
	held  chan struct{} // full while a request has it
	file  *os.File      // of that request
	size  int64         // bytes so far

	mu     sync.Mutex // of the record on disk
	record record
	gone   bool

	// Under the store's lock.
	stop   func()    // tells the request that another one takes over
	wanted int       // by so many others
	since  time.Time // without a request; zero before the first ended
}

// Create starts an upload of size bytes, -1 where that is not known. If it is
// interrupted it is lost.
func (s *Store) Create(name string, size int64) (*Upload, error) {
	return s.create("", name, size, "", func() {})
}

// Begin starts an upload like Create, of which the SHA-256 may be known already
// (hex, or ""), and that can be resumed. stop is called from elsewhere when
// another request wants to take it over: this one must then end soon.
func (s *Store) Begin(name string, size int64, sum string, stop func()) (*Upload, error) {
	return s.create(newID(), name, size, sum, stop)
}

func (s *Store) create(id, name string, size int64, sum string, stop func()) (*Upload, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if s.o.MaxSize > 0 && size > s.o.MaxSize {
		return nil, &LimitError{s.o.MaxSize}
	}
	s.Expire()
	u := &Upload{store: s, id: id, stop: stop, held: make(chan struct{}, 1)}
	u.held <- struct{}{}
	u.record = record{Name: name, Length: size, SHA256: sum, Boot: bootID()}
	if err := s.claim(u); err != nil {
		return nil, fmt.Errorf("store image %s: %w", name, err)
	}
	if free := s.free(); size > free {
		s.forget(u)
		return nil, &SpaceError{s.dir, size, free}
	}
	if err := u.open(); err != nil {
		s.forget(u)
		return nil, fmt.Errorf("store image %s: %w", name, s.space(err))
	}
	return u, nil
}

// claim gives u its name, if need be instead of an upload that was interrupted
// long ago.
func (s *Store) claim(u *Upload) error {
	s.mu.Lock()
	former := s.names[u.record.Name]
	if former == nil {
		s.enter(u)
		s.mu.Unlock()
		return nil
	}
	idle := time.Since(former.since)
	s.mu.Unlock()
	if idle < s.o.Grace {
		return ErrBusy
	}
	select {
	case former.held <- struct{}{}:
	default:
		return ErrBusy
	}
	if err := former.Abort(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[u.record.Name] != nil {
		return ErrBusy
	}
	s.enter(u)
	return nil
}

func (s *Store) enter(u *Upload) {
	s.names[u.record.Name] = u
	if u.id != "" {
		s.uploads[u.id] = u
	}
}

// forget removes u from the tables.
func (s *Store) forget(u *Upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[u.record.Name] == u {
		delete(s.names, u.record.Name)
	}
	if u.id != "" {
		delete(s.uploads, u.id)
	}
}

// open makes the files of a new upload.
func (u *Upload) open() (err error) {
	if u.id == "" {
		if u.file, err = os.CreateTemp(u.store.dir, partial+"*"); err == nil {
			u.path = u.file.Name()
		}
		return err
	}
	u.path = filepath.Join(u.store.dir, partial+u.id)
	if u.file, err = os.OpenFile(u.path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if err := u.save(); err != nil {
		return errors.Join(err, u.remove())
	}
	return nil
}

// ID names an upload that can be resumed. It cannot be guessed.
func (u *Upload) ID() string { return u.id }

// Name is what the image will be called.
func (u *Upload) Name() string { return u.record.Name }

// Offset is how many bytes have arrived.
func (u *Upload) Offset() int64 { return u.size }

// Length is how many bytes were announced, -1 for none.
func (u *Upload) Length() int64 { return u.record.Length }

// Complete tells that the image was published.
func (u *Upload) Complete() bool { return u.record.Complete }

// Announce notes how many bytes there will be, which may become known late.
func (u *Upload) Announce(size int64) error {
	switch {
	case size < 0 || size == u.record.Length:
		return nil
	case u.record.Length >= 0 || size < u.size:
		return &LengthError{Want: u.record.Length, Got: size}
	case u.store.o.MaxSize > 0 && size > u.store.o.MaxSize:
		return &LimitError{u.store.o.MaxSize}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.record.Length = size
	return nil
}

// Write adds bytes to the end.
func (u *Upload) Write(p []byte) (int, error) {
	end := u.size + int64(len(p))
	if most := u.store.o.MaxSize; most > 0 && end > most {
		return 0, &LimitError{most}
	}
	if u.record.Length >= 0 && end > u.record.Length {
		return 0, &LengthError{Want: u.record.Length, Got: end}
	}
	n, err := u.file.Write(p)
	u.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("store image %s at byte %d: %w", u.record.Name, u.size, u.store.space(err))
	}
	return n, nil
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
