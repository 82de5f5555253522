package imaging

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// dest is where a saved image goes. It ends with publish or abandon.
type dest struct {
	io.Writer
	finish  func() error // makes what was written visible, complete or not at all
	discard func(error)  // forgets it
	sha256  hash.Hash    // of what was written
	n       int64
}

func (d *dest) Write(p []byte) (int, error) {
	n, err := d.Writer.Write(p)
	d.sha256.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *dest) bytes() int64      { return d.n }
func (d *dest) sum() string       { return hex.EncodeToString(d.sha256.Sum(nil)) }
func (d *dest) abandon(err error) { d.discard(err) }

func (d *dest) publish(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		d.discard(err)
		return err
	}
	return d.finish()
}

// openDest prepares the destination; nothing shows there yet.
func openDest(ctx context.Context, o SaveOptions) (*dest, error) {
	d := &dest{sha256: sha256.New()}
	switch {
	case o.Dest == "-":
		if o.Stdout == nil {
			return nil, errors.New("there is no standard output to write to")
		}
		b := bufio.NewWriterSize(o.Stdout, 1<<20)
		d.Writer, d.finish, d.discard = b, b.Flush, func(error) {}
		return d, nil
	case web(o.Dest):
		d.upload(ctx, o)
		return d, nil
	}
	return d, d.create(o.Dest, o.Sum)
}

// upload sends what is written by HTTP PUT. The body ends without error only in
// finish, so that the server never takes a part for the whole.
func (d *dest) upload(ctx context.Context, o SaveOptions) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := transfer.Put(ctx, o.Dest, r, transfer.Options{Patience: o.Patience, Log: o.Log})
		if err != nil {
			r.CloseWithError(err)
		} else {
			r.Close()
		}
		done <- err
	}()
	d.Writer = w
	d.finish = func() error { w.Close(); return <-done }
	d.discard = func(err error) { w.CloseWithError(err); <-done }
}

// sidecar is the ending of the file beside an image that has its SHA-256.
const sidecar = ".sha256"

// create writes to a temporary file beside path, which takes its name at the end.
// Nothing but chance names it: the numbers of processes come again after a
// restart. The old sidecar goes before that and the new one comes after it: no
// sidecar ever lies beside another's file.
func (d *dest) create(path string, sum bool) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s exists and is not a regular file (name a file, a URL, or - for standard output)", path)
	default:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	dir, base := filepath.Split(path)
	f, err := os.OpenFile(filepath.Join(dir, ".orbit-"+rand.Text()[:8]+".partial"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	d.Writer = f
	d.discard = func(error) { f.Close(); os.Remove(f.Name()) }
	d.finish = func() error {
		err := errors.Join(f.Sync(), f.Close())
		if err == nil {
			if err = os.Remove(path + sidecar); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			os.Remove(f.Name())
			return err
		}
		if sum {
			err = os.WriteFile(path+sidecar, []byte(d.sum()+"  "+base+"\n"), 0o666)
		}
		return errors.Join(err, syncDir(dir))
	}
	return nil
}

// syncDir puts the names in a directory on stable storage.
func syncDir(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
