package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// Read fills b from off on. what names it in the error.
func Read(r io.ReaderAt, b []byte, off int64, what string) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %s at %d: %w", what, off, err)
}

// foreign are the superblocks that lie so far behind a volume's beginning that
// they may be put over a filesystem and leave its first sectors as they were.
// Tools that make them do not all wipe what was there before.
var foreign = [...]struct {
	name, magic string
	off         int64
}{
	{"a RAID member", "\xfc\x4e\x2b\xa9", 4096},
	{"bcache", "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", 4096 + 24},
	{"JFS", "JFS1", 32768},
	{"btrfs", "_BHRfS_M", 65536 + 64},
	{"ReiserFS", "ReIsEr", 65536 + 52},
	{"GFS2", "\x01\x16\x19\x70\x00\x00\x00\x01", 65536},
}

// Foreign names what else than the filesystem at its beginning the volume
// seems to hold; usually nothing.
func Foreign(r io.ReaderAt, size int64) (string, error) {
	for _, f := range foreign {
		if f.off+int64(len(f.magic)) > size {
			continue
		}
		b := make([]byte, len(f.magic))
		if err := Read(r, b, f.off, "superblock of "+f.name); err != nil {
			return "", err
		}
		if string(b) == f.magic {
			return f.name, nil
		}
	}
	return "", nil
}

// UTF16 is little-endian UTF-16 as text, up to a zero.
func UTF16(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		c := uint16(b[0]) | uint16(b[1])<<8
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// Text is a padded field as text, up to a zero, with a question mark for
// whatever is not UTF-8: the code page it is in is not written anywhere.
func Text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimRight(strings.ToValidUTF8(string(b), "?"), " ")
}
