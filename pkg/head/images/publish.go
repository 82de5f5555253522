package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// Commit reads back what has arrived and publishes it as an image: if its
// SHA-256 is want (hex; "" accepts any, or the one given at the beginning), and
// if Options.Verify agrees. It tells whether another image of the name was
// replaced. The upload is over then, but for one that can be resumed and was
// stopped by ctx: that is released.
func (u *Upload) Commit(ctx context.Context, want string) (image Image, replaced bool, err error) {
	image, replaced, err = u.publish(ctx, want)
	switch {
	case err == nil && u.id != "":
		u.store.mu.Lock()
		delete(u.store.names, u.record.Name)
		u.store.mu.Unlock()
		return image, replaced, u.Release()
	case err != nil && u.id != "" && ctx.Err() != nil:
		return image, false, errors.Join(err, u.Release())
	case err != nil:
		return image, replaced, errors.Join(err, u.Abort())
	}
	return image, replaced, u.Abort() // only what is left of it
}

func (u *Upload) publish(ctx context.Context, want string) (image Image, replaced bool, err error) {
	if want == "" {
		want = u.record.SHA256
	}
	if u.record.Length >= 0 && u.record.Length != u.size {
		return image, false, &LengthError{Want: u.record.Length, Got: u.size}
	}
	file := u.file
	got, err := settle(ctx, file)
	if err == nil && want != "" && want != got {
		err = &DigestError{want, got}
	}
	if err != nil {
		return image, false, u.store.space(err)
	}
	if u.store.o.Assemble != nil {
		f, err := u.assemble(ctx)
		if err != nil {
			return image, false, err
		}
		if f != nil {
			defer f.Close()
			file = f
			if got, err = settle(ctx, f); err != nil {
				return image, false, u.store.space(err)
			}
		}
	}
	if u.store.o.Verify != nil {
		if err := u.store.o.Verify(ctx, file.Name()); err != nil {
			return image, false, &RejectError{u.record.Name, err}
		}
	}
	if !u.Modified.IsZero() {
		if err := os.Chtimes(file.Name(), time.Time{}, u.Modified); err != nil {
			return image, false, err
		}
	}
	st, err := file.Stat()
	if err != nil {
		return image, false, err
	}
	image = Image{Name: u.record.Name, Size: st.Size(), Modified: st.ModTime().UTC(), SHA256: got}
	if replaced, err = u.rename(file.Name(), got); err == nil {
		image.Format, image.Disk = u.store.describe(image.Name)
	}
	return image, replaced, err
}

// assemble makes a whole image of a part, nil where the upload is whole.
func (u *Upload) assemble(ctx context.Context) (*os.File, error) {
	dest := u.path + whole
	if err := os.Remove(dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // of a try that was stopped
	}
	if err := u.store.o.Assemble(ctx, u.path, dest); err != nil {
		return nil, &RejectError{u.record.Name, u.store.space(err)}
	}
	f, err := os.Open(dest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// rename gives the image its name. The old sidecar goes first and the new one
// comes last, so that at no moment does a sidecar lie beside an image that it
// does not belong to.
func (u *Upload) rename(from, sum string) (replaced bool, err error) {
	path := filepath.Join(u.store.dir, u.record.Name)
	_, err = os.Lstat(path)
	replaced = err == nil
	if err := os.Remove(path + sidecar); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.Rename(from, path); err != nil {
		return false, err
	}
	line := sum + "  " + u.record.Name + "\n"
	if err := durable.WriteFile(path+sidecar, []byte(line), 0o644); err != nil {
		return replaced, fmt.Errorf("image %s is stored, its sidecar is not: %w", u.record.Name, u.store.space(err))
	}
	if u.id == "" {
		return replaced, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.record.Complete, u.record.Length = true, u.size
	u.file.Close()
	u.file = nil
	if from != u.path {
		err = os.Remove(u.path)
	} else {
		err = nil
	}
	if err := errors.Join(err, u.save()); err != nil {
		return replaced, fmt.Errorf("image %s is stored, the record of its upload is not: %w", u.record.Name, u.store.space(err))
	}
	return replaced, nil
}

// settle forces a file to disk, and reads from there, not from memory, what its
// SHA-256 is.
func settle(ctx context.Context, f *os.File) (sum string, err error) {
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return "", err
	}
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // a hint, like the next
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := f.ReadAt(buf, off)
		h.Write(buf[:n])
		off += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return "", fmt.Errorf("read back %s: %w", f.Name(), err)
		}
	}
}
