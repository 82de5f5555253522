package ids

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// File is a list on disk. It is read when it is first needed, and again when
// it was replaced.
type File struct {
	paths []string

	mu      sync.Mutex
	table   *Table // nil: none
	err     error
	checked time.Time
	path    string
	size    int64
	changed time.Time
}

// PCI and USB are the lists where distributions have them.
func PCI() *File { return Named("pci.ids") }

// USB see PCI.
func USB() *File { return Named("usb.ids") }

// Named is the list of a name, in the directories of distributions.
func Named(name string) *File {
	return At("/usr/share/misc/"+name, "/usr/share/hwdata/"+name, "/var/lib/usbutils/"+name, "/usr/share/"+name)
}

// At is the first of some files that is there.
func At(paths ...string) *File { return &File{paths: paths} }

// patience is how long a file counts as unchanged without another look.
const patience = 5 * time.Second

// Table returns the list, nil if there is none. What is wrong with a file that
// is there is an error, each time that it was looked at anew.
func (f *File) Table(now time.Time) (*Table, error) {
	if f == nil {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := now.Sub(f.checked); !f.checked.IsZero() && since >= 0 && since < patience {
		return f.table, nil
	}
	f.checked = now
	for _, path := range f.paths {
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && path == f.path && st.Size() == f.size && st.ModTime().Equal(f.changed) {
			return f.table, nil
		}
		table, err := read(path)
		if err != nil {
			return f.table, fmt.Errorf("read names of devices: %s: %w", path, err) // what was read before is better than nothing
		}
		f.table, f.path, f.size, f.changed = table, path, st.Size(), st.ModTime()
		return table, nil
	}
	f.table, f.path = nil, ""
	return nil, nil
}

func read(path string) (*Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is not a regular file"))
	}
	return Parse(file)
}
