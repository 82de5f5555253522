package lvm

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	magic = " LVM2 x[5A%r0N*>"
	// maxText bounds the metadata of a group; 4 MiB are some ten thousand
	// logical volumes.
	maxText     = 4 << 20
	flagIgnored = 1 // the text here is not kept up to date
	textStart   = sector
)

// locator points to a text in a metadata area.
type locator struct {
	off, size uint64 // bytes, from the area's beginning
	crc       uint32
	flags     uint32
}

func decodeLocator(b []byte) locator {
	le := binary.LittleEndian
	return locator{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:])}
}

// readArea gives the text that counts in a metadata area: nil for none, and
// ignored where other volumes' areas are to be asked.
func readArea(r io.ReaderAt, area extent.Range) (text []byte, ignored bool, err error) {
	if area.Len() < 2*sector {
		return nil, false, unsafef("a metadata area of %d bytes", area.Len())
	}
	b := make([]byte, sector)
	if err := readFull(r, b, area.Off, "lvm metadata header"); err != nil {
		return nil, false, err
	}
	le := binary.LittleEndian
	switch {
	case string(b[4:20]) != magic:
		return nil, false, unsafef("no metadata header at byte %d", area.Off)
	case checksum(seed, b[4:]) != le.Uint32(b):
		return nil, false, unsafef("the metadata header at byte %d has a wrong checksum", area.Off)
	case le.Uint32(b[20:]) != 1:
		return nil, false, unsafef("metadata of version %d", le.Uint32(b[20:]))
	case le.Uint64(b[24:]) != uint64(area.Off) || le.Uint64(b[32:]) != uint64(area.Len()):
		return nil, false, unsafef("the metadata header at byte %d is for %d bytes at %d", area.Off, le.Uint64(b[32:]), le.Uint64(b[24:]))
	}
	now, next := decodeLocator(b[40:]), decodeLocator(b[64:])
	switch {
	case now.flags&flagIgnored != 0:
		return nil, true, nil
	case next.off != 0:
		return nil, false, unsafef("a change to the volume group was not finished")
	case now.off == 0:
		return nil, false, nil
	}
	text, err = now.read(r, area)
	return text, false, err
}

// read gets the text, which may wrap around the end of the ring.
func (l locator) read(r io.ReaderAt, area extent.Range) ([]byte, error) {
	size := uint64(area.Len())
	if l.off < textStart || l.off >= size || l.size == 0 || l.size > size-textStart {
		return nil, unsafef("metadata of %d bytes at %d of an area of %d", l.size, l.off, size)
	}
	if l.size > maxText {
		return nil, unsafef("metadata of %d bytes, more than %d are not read", l.size, maxText)
	}
	text := make([]byte, l.size)
	first := text[:min(l.size, size-l.off)]
	if err := readFull(r, first, area.Off+int64(l.off), "lvm metadata"); err != nil {
		return nil, err
	}
	if rest := text[len(first):]; len(rest) > 0 {
		if err := readFull(r, rest, area.Off+textStart, "lvm metadata"); err != nil {
			return nil, err
		}
	}
	if checksum(seed, text) != l.crc {
		return nil, unsafef("the metadata at byte %d has a wrong checksum", area.Off+int64(l.off))
	}
	return bytes.TrimRight(text, "\x00"), nil
}
