// Package cpio writes and reads archives of the format that the Linux kernel
// unpacks as its initramfs: "newc", SVR4 without checksums, as described in
// Documentation/driver-api/early-userspace/buffer-format.rst.
//
// Every member is a header of ASCII digits, its name, and its data, each
// padded to 4 bytes:
//
//	offset size
//	 0     6    magic: 070701
//	 6     8    inode             each field eight
//	14     8    mode              hexadecimal digits
//	22     8    user
//	30     8    group
//	38     8    number of links
//	46     8    time of change, seconds since 1970
//	54     8    length of data
//	62     16   device, major and minor
//	78     16   of a device node: its major and minor
//	94     8    length of name, with the NUL that ends it
//	102    8    checksum: 0
//
// The member named TRAILER!!! ends the archive.
//
// An archive depends on its entries and their order only: users, groups and
// times are 0 and inodes are numbered by position.
package cpio

import "fmt"

// Types of an entry: the high bits of its mode, as stat(2) has them.
const (
	TypeMask  = 0o170000
	Directory = 0o040000
	Regular   = 0o100000
	Symlink   = 0o120000
	Char      = 0o020000
	Block     = 0o060000
)

const (
	magic        = "070701"
	headerLength = 110
	trailer      = "TRAILER!!!"
	maxName      = 4096    // PATH_MAX: the kernel skips longer ones
	maxData      = 1 << 30 // far above any initramfs
)

// An Entry is one member of an archive.
type Entry struct {
	Name         string // without a leading slash
	Mode         uint32 // type and permissions
	Data         []byte // of a regular file; of a symbolic link, where it points
	Major, Minor uint32 // of a device node
}

// Dir, File, Link and CharDevice make entries.
func Dir(name string, perm uint32) Entry { return Entry{Name: name, Mode: Directory | perm} }

// File is a regular file.
func File(name string, perm uint32, data []byte) Entry {
	return Entry{Name: name, Mode: Regular | perm, Data: data}
}

// Link is a symbolic link to target.
func Link(name, target string) Entry {
	return Entry{Name: name, Mode: Symlink | 0o777, Data: []byte(target)}
}

// CharDevice is the node of a character device.
func CharDevice(name string, perm, major, minor uint32) Entry {
	return Entry{Name: name, Mode: Char | perm, Major: major, Minor: minor}
}

// A FormatError says what is wrong with an archive, and where.
type FormatError struct {
	Offset int64
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("cpio archive at byte %d: %s", e.Offset, e.Reason)
}
