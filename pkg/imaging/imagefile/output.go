package imagefile

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sidecar is the ending of the file beside an image that has its SHA-256.
const sidecar = ".sha256"

// output is a file that takes its name when it is complete. It ends with publish,
// or with discard, which does no harm after it.
type output struct {
	dest string
	path string   // until then
	file *os.File // nil until open
}

// temp makes a file beside dest.
func (o *output) temp() (*os.File, error) {
	f, err := os.OpenFile(o.path+".ndz", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return nameless(f)
}

// create finds out whether dest can be made, and makes nothing yet.
func create(dest string) (*output, error) {
	switch st, err := os.Stat(dest); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s exists and is not a regular file (imagenode writes to disks)", dest)
	default:
		if dest, err = filepath.EvalSymlinks(dest); err != nil {
			return nil, err
		}
	}
	return &output{dest: dest, path: filepath.Join(filepath.Dir(dest), ".orbit-"+rand.Text()[:8]+".partial")}, nil
}

// open makes the file.
func (o *output) open() (err error) {
	o.file, err = os.OpenFile(o.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	return err
}

// publish puts the file on stable storage and gives it its name. The old sidecar
// goes first and the new one comes last: no sidecar ever lies beside another's
// file. Without sum there is no new one.
func (o *output) publish(sum bool) (size int64, digest string, err error) {
	if size, err = o.file.Seek(0, io.SeekEnd); err != nil {
		return 0, "", err
	}
	if sum {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(o.file, 0, size)); err != nil {
			return 0, "", err
		}
		digest = hex.EncodeToString(h.Sum(nil))
	}
	if err := o.file.Sync(); err != nil {
		return 0, "", err
	}
	if err := os.Remove(o.dest + sidecar); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", err
	}
	if err := os.Rename(o.path, o.dest); err != nil {
		return 0, "", err
	}
	dir, base := filepath.Split(o.dest)
	if sum {
		err = os.WriteFile(o.dest+sidecar, []byte(digest+"  "+base+"\n"), 0o666)
	}
	return size, digest, errors.Join(err, syncDir(filepath.Clean(dir)))
}

// discard removes what has not got its name.
func (o *output) discard() {
	if o.file != nil {
		o.file.Close()
	}
	os.Remove(o.path)
}

// syncDir puts the names in a directory on stable storage.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
