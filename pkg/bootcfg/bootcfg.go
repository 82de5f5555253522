// Package bootcfg holds what the configuration of a boot loader says: a menu of
// entries, each a kernel with its initrds and command line. Its subpackages
// read the formats: grub (grub.cfg and its BLS entries), bls (Boot Loader
// Specification type 1) and syslinux (syslinux, extlinux).
//
// Nothing here touches a device. Readers see filesystems as fs.FS and ask
// Volumes for others by UUID, label, file or device name.
package bootcfg

import (
	"errors"
	"fmt"
	"io/fs"
)

// File is a file as a boot loader names it.
type File struct {
	Volume string // name of the filesystem, as Volumes knows it
	Path   string // slash-separated from the root of the filesystem, without a leading slash
}

func (f File) String() string { return f.Volume + ":/" + f.Path }

// Entry is one line of a boot menu.
type Entry struct {
	ID      string // as "default" may name it; "" where the format has none
	Title   string // of nested menus: "Advanced options>Linux 6.1"
	Version string // of the kernel, where the configuration says
	Kernel  File
	Initrds []File // in order
	Cmdline string // without BOOT_IMAGE=
	Source  string // the configuration file that holds it, for messages
	Err     error  // why this entry cannot be started as a Linux kernel, nil if it can
}

// Menu is what one configuration offers.
type Menu struct {
	Entries []Entry  // never empty when a reader returned no error
	Default int      // index of the entry that starts without anyone at the keyboard
	Notes   []string // what was passed over while reading, for a person who wonders
}

// Kind is a way to name a filesystem.
type Kind string

const (
	ByUUID   Kind = "uuid"     // of the filesystem, as blkid writes it; case does not matter
	ByLabel  Kind = "label"    // of the filesystem
	ByFile   Kind = "file"     // the first one that holds this path
	ByDevice Kind = "device"   // "hd0,gpt2", "hd0,msdos1", "hd0,1", "hd0" as GRUB counts
	ByPart   Kind = "partuuid" // of the partition
)

// Volumes are the filesystems that a configuration may refer to.
type Volumes interface {
	// Lookup names the filesystem meant. The error is a *NotFoundError where
	// there is none.
	Lookup(kind Kind, value string) (string, error)
	// Open gives access to a filesystem by the name Lookup returned.
	Open(volume string) (fs.FS, error)
	// UUID returns the UUID of a filesystem, "" where it has none.
	UUID(volume string) string
}

// NotFoundError says that no volume answers to a name.
type NotFoundError struct {
	Kind  Kind
	Value string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no filesystem with %s %s", e.Kind, e.Value)
}

// ErrNoEntries is wrapped by readers whose configuration has nothing to start.
var ErrNoEntries = errors.New("no boot entries in it")

// ReadFile reads a file of at most max bytes.
func ReadFile(fsys fs.FS, name string, max int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, max)
}
