package ntfs

import (
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// Types of attributes.
const (
	typeList       = 0x20
	typeVolumeName = 0x60
	typeVolumeInfo = 0x70
	typeData       = 0x80
	typeIndexRoot  = 0x90
	typeIndexAlloc = 0xa0
	typeBitmap     = 0xb0
	typeEnd        = 0xffffffff
)

// Flags of attributes.
const (
	flagCompressed = 0x00ff
	flagEncrypted  = 0x4000
)

// attribute is one attribute, or one piece of it, in a record.
type attribute struct {
	kind     uint32
	name     string
	flags    uint16
	resident bool
	value    []byte // if resident
	first    int64  // cluster of the attribute that the piece begins with
	last     int64
	size     int64 // of the whole attribute, bytes; only where first is 0
	valid    int64 // bytes; what lies behind reads as zeros
	pairs    []byte
}

// record is a record of the MFT: all that is known of a file, or a part.
type record struct {
	data  []byte // as far as it is in use
	base  int64  // the file's first record, where this is another
	seq   uint16
	attrs []attribute
}

// fixup undoes what protects a structure against being written in part: the
// last two bytes of each 512 are replaced by a number, their own are aside.
func fixup(b []byte) bool {
	le := binary.LittleEndian
	off, n := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if n != len(b)/512+1 || off%2 != 0 || off < 8 || off+2*n > 510 {
		return false
	}
	number := le.Uint16(b[off:])
	for i := 1; i < n; i++ {
		end := b[512*i-2 : 512*i]
		if le.Uint16(end) != number {
			return false
		}
		copy(end, b[off+2*i:off+2*i+2])
	}
	return true
}

// record reads record n of the MFT.
func (v *volume) record(n int64) (*record, error) {
	b := make([]byte, v.boot.record)
	if n < 0 || n >= v.mft.valid/v.boot.record {
		return nil, fsmap.Unsafef(kind, "no MFT record %d", n)
	}
	if err := v.read(v.mft, b, n*v.boot.record, "MFT"); err != nil {
		return nil, err
	}
	return parse(b, n)
}

// parse takes record n apart.
func parse(b []byte, n int64) (*record, error) {
	le := binary.LittleEndian
	if string(b[:4]) != "FILE" || !fixup(b) {
		return nil, fsmap.Unsafef(kind, "MFT record %d is damaged", n)
	}
	at, used := int(le.Uint16(b[20:])), int64(le.Uint32(b[24:]))
	if le.Uint16(b[22:])&1 == 0 || used > int64(len(b)) || int64(at) > used {
		return nil, fsmap.Unsafef(kind, "MFT record %d is not in use", n)
	}
	rec := &record{data: b[:used], base: int64(le.Uint64(b[32:]) & refMask), seq: le.Uint16(b[16:])}
	for rest := rec.data[at:]; ; {
		if len(rest) >= 4 && le.Uint32(rest) == typeEnd {
			return rec, nil
		}
		if len(rest) < 24 {
			break
		}
		size := le.Uint32(rest[4:])
		if size < 24 || size > uint32(len(rest)) {
			break
		}
		a, ok := parseAttribute(rest[:size])
		if !ok {
			break
		}
		rec.attrs = append(rec.attrs, a)
		rest = rest[size:]
	}
	return nil, fsmap.Unsafef(kind, "attributes of MFT record %d make no sense", n)
}

// refMask is the part of a reference that is a record's number; the other is
// its sequence number, another one each time it is used anew.
const refMask = 1<<48 - 1

func parseAttribute(b []byte) (a attribute, ok bool) {
	le := binary.LittleEndian
	a = attribute{kind: le.Uint32(b), flags: le.Uint16(b[12:]), resident: b[8] == 0}
	if chars, off := int(b[9]), int(le.Uint16(b[10:])); chars > 0 {
		if off+2*chars > len(b) {
			return a, false
		}
		a.name = cluster.UTF16(b[off : off+2*chars])
	}
	if a.resident {
		size, off := int64(le.Uint32(b[16:])), int64(le.Uint16(b[20:]))
		if off+size > int64(len(b)) {
			return a, false
		}
		a.value = b[off : off+size]
		a.size, a.valid = size, size
		return a, true
	}
	if len(b) < 64 {
		return a, false
	}
	off := int(le.Uint16(b[32:]))
	a.first, a.last = int64(le.Uint64(b[16:])), int64(le.Uint64(b[24:]))
	a.size, a.valid = int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))
	if off < 64 || off > len(b) || a.first < 0 || a.last < a.first-1 || a.size < 0 || a.valid < 0 {
		return a, false
	}
	a.pairs = b[off:]
	return a, true
}
