package ext

import (
	"bytes"
	"fmt"
)

// maxDir bounds the directories that are read, in bytes.
const maxDir = 32 << 20

// Entry is a name in a directory.
type Entry struct {
	Name  string
	Inode uint32
	Type  uint8 // 1 for a file, 2 for a directory; 0 where the filesystem does not say
}

// dirent is an entry where it lies in its block.
type dirent struct {
	Entry
	at, prev int // offset in the block, of it and of the one before (-1: none)
	len      int // up to the next
}

// List reads the names in a directory, with . and .. among them. The inner
// nodes of an indexed directory look like empty blocks, and are passed over.
// Inline and encrypted directories must not be asked.
func (v *Volume) List(dir *Inode) ([]Entry, error) {
	var all []Entry
	err := v.dirBlocks(dir, func(at uint64) (bool, error) {
		b := make([]byte, v.Block)
		if err := readAt(v.r, b, int64(at)*v.Block); err != nil {
			return false, fmt.Errorf("read directory %d at block %d: %w", dir.Number, at, err)
		}
		return true, v.dirents(dir, b, func(d dirent) bool {
			if d.Inode != 0 {
				all = append(all, d.Entry)
			}
			return true
		})
	})
	return all, err
}

// dirBlocks calls f for every block of a directory until it says false.
func (v *Volume) dirBlocks(dir *Inode, f func(at uint64) (bool, error)) error {
	if dir.Mode&ModeType != ModeDir || dir.Size > maxDir {
		return v.unsafe("inode %d is not a directory of a size that makes sense", dir.Number)
	}
	blocks, err := v.Layout(dir)
	if err != nil {
		return err
	}
	for _, r := range blocks.Data {
		for i := range r.Count {
			if (r.Logical+i)*uint64(v.Block) >= dir.Size {
				return nil
			}
			if more, err := f(r.Block + i); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// dirents calls f for the entries of a block, used or not, until it says false.
func (v *Volume) dirents(dir *Inode, b []byte, f func(dirent) bool) error {
	prev := -1
	for at := 0; at < len(b); {
		if len(b)-at < 8 {
			return v.unsafe("directory %d ends in the midst of an entry", dir.Number)
		}
		d := dirent{at: at, prev: prev, len: v.recLen(le16(b[at+4:]))}
		name := int(b[at+6])
		d.Inode = le32(b[at:])
		if v.Incompat&incompatFiletype != 0 {
			d.Type = b[at+7] & 7
		} else {
			name |= int(b[at+7]) << 8
		}
		if d.len < 8+name || d.len < 12 || d.len%4 != 0 || d.len > len(b)-at {
			return v.unsafe("directory %d has an entry of %d bytes for a name of %d", dir.Number, d.len, name)
		}
		d.Name = string(b[at+8 : at+8+name])
		if d.Inode > v.Inodes {
			return v.unsafe("directory %d names inode %d of %d", dir.Number, d.Inode, v.Inodes)
		}
		if !f(d) {
			return nil
		}
		prev, at = at, at+d.len
	}
	return nil
}

// recLen is the length of an entry. Only blocks of 64 KiB need the trick that
// makes it fit.
func (v *Volume) recLen(n uint16) int {
	if v.Block == 1<<16 {
		if n == 0 || n == 0xFFFF {
			return 1 << 16
		}
		return int(n&0xFFFC) | int(n&3)<<16
	}
	return int(n)
}

// putRecLen is the inverse of recLen.
func (v *Volume) putRecLen(n int) uint16 {
	if n == 1<<16 {
		return 0xFFFF
	}
	return uint16(n)
}

// dirTail is the entry at the end of a directory's block that has its checksum.
var dirTail = [8]byte{4: 12, 7: 0xDE}

// dirCsum is the checksum of a block of a directory; ok where it has one and it
// is right.
func (v *Volume) dirCsum(dir *Inode, b []byte) (crc uint32, ok bool) {
	end := len(b) - 12
	crc = crc32c(dir.seed, b[:end])
	return crc, bytes.Equal(b[end:end+8], dirTail[:]) && le32(b[end+8:]) == crc
}
