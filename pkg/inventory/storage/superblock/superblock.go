// Package superblock recognises what lies on a disk or partition by its magic
// numbers, and reads its UUID and label: nothing is mounted, and nothing beyond
// the superblock is believed. Kinds have the names that blkid gives them. Where
// several signatures stand, what is on top counts: a RAID member before the
// filesystem in it.
package superblock

import (
	"errors"
	"fmt"
	"io"
)

// Volume is what was recognised.
type Volume struct {
	Kind  string // ext4, xfs, vfat, swap, LVM2_member, crypto_LUKS, ...
	UUID  string // as blkid prints it
	Label string
}

// headSize covers every superblock at the beginning; the farthest is that of
// btrfs.
const headSize = 0x10000 + 0x1000

// Probe looks at a volume of so many bytes. Nothing known is the zero Volume.
// An error is one of reading; what was recognised nevertheless counts.
func Probe(r io.ReaderAt, size int64) (Volume, error) {
	if size < 0 {
		return Volume{}, fmt.Errorf("look for a filesystem: size %d", size)
	}
	v := volume{r: r, size: size, head: make([]byte, headSize)}
	n, err := r.ReadAt(v.head[:min(headSize, size)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Volume{}, fmt.Errorf("read the beginning: %w", err)
	}
	clear(v.head[n:]) // what lies beyond the end matches nothing
	for _, try := range []func(*volume) (Volume, bool){
		(*volume).raid, (*volume).known, (*volume).swap, (*volume).luks, (*volume).lvm, (*volume).ext, (*volume).bcache,
		(*volume).exfat, (*volume).ntfs, (*volume).fat, (*volume).optical, (*volume).zfs,
	} {
		if found, ok := try(&v); ok {
			return found, v.err
		}
	}
	return Volume{}, v.err
}

// volume is what the probes look at.
type volume struct {
	r    io.ReaderAt
	size int64
	head []byte // headSize bytes, or none
	err  error  // of reading, the first one

	tail   []byte // the last ones, or none
	tailAt int64
}

// read gives n bytes from off. What is not all there is nil.
func (v *volume) read(off int64, n int) []byte {
	if off < 0 || off > v.size-int64(n) {
		return nil
	}
	if off+int64(n) <= int64(len(v.head)) {
		return v.head[off:][:n]
	}
	if v.tail != nil && off >= v.tailAt {
		return v.tail[off-v.tailAt:][:n]
	}
	b := make([]byte, n)
	m, err := v.r.ReadAt(b, off)
	if m == n {
		return b
	}
	if v.err == nil && err != nil && !errors.Is(err, io.EOF) {
		v.err = fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return nil
}
