package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Resume hands out an upload that was begun before, taking it from a request
// that still has it.
func (s *Store) Resume(ctx context.Context, id string, stop func()) (*Upload, error) {
	s.mu.Lock()
	u := s.uploads[id]
	if u == nil {
		s.mu.Unlock()
		return nil, ErrUnknown
	}
	u.wanted++
	u.stop()
	s.mu.Unlock()
	var err error
	select {
	case u.held <- struct{}{}:
	case <-ctx.Done():
		err = fmt.Errorf("resume upload of %s: %w", u.record.Name, context.Cause(ctx))
	}
	s.mu.Lock()
	if u.wanted--; err == nil {
		u.stop = stop
		if u.wanted > 0 {
			stop()
		}
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	gone := u.gone
	u.mu.Unlock()
	if gone {
		u.leave()
		return nil, ErrUnknown
	}
	if u.Complete() {
		return u, nil
	}
	f, err := os.OpenFile(u.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		u.leave()
		return nil, fmt.Errorf("resume upload of %s: %w", u.record.Name, err)
	}
	u.file = f
	return u, nil
}

// Release leaves an upload to be resumed later. What has arrived is on disk
// when it returns; others can have the upload before that.
func (u *Upload) Release() error {
	if u.id == "" {
		return u.Abort()
	}
	f, size := u.file, u.size
	u.file = nil
	u.leave()
	if f == nil {
		return nil
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep upload of %s: %w", u.record.Name, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone || u.record.Complete || u.record.Synced >= size {
		return nil
	}
	u.record.Synced = size
	return u.save()
}

// leave lets others have the upload.
func (u *Upload) leave() {
	u.store.mu.Lock()
	u.stop = func() {}
	u.since = time.Now()
	u.store.mu.Unlock()
	<-u.held
}

// Abort forgets the upload.
func (u *Upload) Abort() error {
	err := u.remove()
	u.store.forget(u)
	u.leave()
	return err
}

// remove deletes all that is on disk.
func (u *Upload) remove() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gone = true
	if u.file != nil {
		u.file.Close() // its contents are unwanted
		u.file = nil
	}
	var errs []error
	for _, path := range []string{u.path, u.path + whole, u.path + jsonSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
