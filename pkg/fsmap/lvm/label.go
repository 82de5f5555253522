package lvm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

const (
	kind         = "lvm2"
	sector       = 512
	labelSectors = 4
	idLen        = 32
	idChars      = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#"
	flagUsed     = 1 // of the extension: the volume belongs to a group
)

// header is what the label sector of a physical volume says.
type header struct {
	id       string // 32 characters
	size     int64  // of the device, bytes
	metadata []extent.Range
	boot     []extent.Range
	version  uint32 // of the extension, 0 for none
	used     bool   // by a volume group; only from extension version 2 on
}

func unsafef(format string, args ...any) error { return fsmap.Unsafef(kind, format, args...) }

// checksum continues one of LVM's from crc; see seed.
func checksum(crc uint32, b []byte) uint32 { return ^crc32.Update(^crc, crc32.IEEETable, b) }

// seed is what every checksum starts with.
const seed = 0xf597a6cf

// readHeader finds the label. No label is fsmap.ErrUnknown.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	b := make([]byte, min(labelSectors*sector, max(size, 0)/sector*sector))
	if err := readFull(r, b, 0, "lvm label"); err != nil {
		return nil, err
	}
	var found []byte
	broken := ""
	for n := 0; len(b) >= sector; n, b = n+1, b[sector:] {
		s := b[:sector]
		if string(s[:8]) != "LABELONE" {
			continue
		}
		le := binary.LittleEndian
		switch {
		case le.Uint64(s[8:]) != uint64(n):
			broken = fmt.Sprintf("the label in sector %d is for sector %d", n, le.Uint64(s[8:]))
		case checksum(seed, s[20:]) != le.Uint32(s[16:]):
			broken = fmt.Sprintf("the label in sector %d has a wrong checksum", n)
		case string(s[24:32]) != "LVM2 001":
			broken = fmt.Sprintf("the label in sector %d is of type %q", n, s[24:32])
		case found != nil:
			broken = "there are two labels"
		default:
			found = s
		}
	}
	switch {
	case broken != "":
		return nil, unsafef("%s", broken)
	case found == nil:
		return nil, fsmap.ErrUnknown
	}
	return decodeHeader(found, size)
}

// decodeHeader takes the label's sector apart.
func decodeHeader(s []byte, size int64) (*header, error) {
	le := binary.LittleEndian
	off := le.Uint32(s[20:])
	if off < 32 || off > sector-idLen-8 {
		return nil, unsafef("the header lies at byte %d of its sector", off)
	}
	s = s[off:]
	h := &header{id: string(s[:idLen]), size: int64(le.Uint64(s[idLen:]))}
	if strings.Trim(h.id, idChars) != "" {
		return nil, unsafef("its UUID is %q", h.id)
	}
	if h.size < 0 || h.size > size {
		return nil, unsafef("made for %d bytes, here are %d", uint64(h.size), size)
	}
	s = s[idLen+8:]
	if _, err := areas(&s, size); err != nil { // the group's metadata tells where extents begin
		return nil, err
	}
	var err error
	if h.metadata, err = areas(&s, size); err != nil {
		return nil, err
	}
	if len(s) < 8 {
		return h, nil
	}
	h.version = le.Uint32(s)
	if h.version == 0 {
		return h, nil
	}
	h.used = h.version >= 2 && le.Uint32(s[4:])&flagUsed != 0
	s = s[8:]
	h.boot, err = areas(&s, size)
	return h, err
}

// areas takes one list of areas off the front of s. A size of zero means up
// to the end of the device.
func areas(s *[]byte, size int64) ([]extent.Range, error) {
	le := binary.LittleEndian
	var list []extent.Range
	for b := *s; len(b) >= 16; b = b[16:] {
		*s = b[16:]
		off, n := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
		if off == 0 {
			return list, nil
		}
		if off < 0 || n < 0 || off > size || n > size-off {
			return nil, unsafef("an area of %d bytes at %d lies outside the volume", uint64(n), uint64(off))
		}
		if n == 0 {
			n = size - off
		}
		list = append(list, extent.Range{Off: off, End: off + n})
	}
	return nil, unsafef("a list of areas has no end")
}

// readFull reads all of b. A volume shorter than it was said to be is not
// safe to map; every other failure is the reader's own.
func readFull(r io.ReaderAt, b []byte, off int64, what string) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return unsafef("%s at byte %d lies behind the end of the volume", what, off)
	}
	return fmt.Errorf("read %s at byte %d: %w", what, off, err)
}
