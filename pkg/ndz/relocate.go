package ndz

import (
	"encoding/binary"
	"math"
)

// relocate applies the relocations whose bytes are in data, which begins at from
// in the expanded stream.
func (d *Decoder) relocate(from int64, data []byte) error {
	for i, r := range d.h.Relocs {
		begin, end, _ := r.window(MaxSector64)
		in := d.h.inStream(begin) - from
		if begin == end || in < 0 || in >= int64(len(data)) {
			continue
		}
		if wrong := d.o.Target.apply(r.Type, data[in:][:end-begin]); wrong != "" {
			return ErrReloc.as("number %d, at sector %d: "+wrong, int64(i), int64(r.Sector))
		}
	}
	return nil
}

// apply changes the bytes that a relocation is about, for the target; or says
// why that is impossible.
func (t Target) apply(kind uint32, b []byte) (wrong string) {
	switch kind {
	case RelocFreeBSD, RelocOpenBSD:
		if t.Sectors == 0 {
			return "" // of a whole disk, where labels are right as they are
		}
		return t.label(kind == RelocOpenBSD, b)
	case RelocLILO:
		return t.address(b)
	case RelocLILOMap:
		for len(b) >= liloAddr && [liloAddr]byte(b) != [liloAddr]byte{} {
			if wrong := t.address(b[:liloAddr]); wrong != "" {
				return wrong
			}
			b = b[liloAddr:]
		}
	case RelocLILOSum:
		sum := uint16(0xabcd)
		clear(b[:2])
		for i := 0; i < len(b); i += 2 {
			sum ^= binary.LittleEndian.Uint16(b[i:])
		}
		binary.LittleEndian.PutUint16(b, sum)
	}
	return ""
}

// A sector address of LILO: 24 bits in bytes 0, 1 and 3, flags in 2, and in 4 a
// count, or 8 more bits.
const (
	liloLinear = 0x40
	liloLBA32  = 0x20
	liloLong   = 0x10 // byte 4 is a part of the address
)

// address moves a sector address of LILO.
func (t Target) address(b []byte) (wrong string) {
	if t.Start == 0 || [liloAddr]byte(b) == [liloAddr]byte{} {
		return ""
	}
	if b[2]&(liloLinear|liloLBA32|liloLong) == 0 {
		return "an address of cylinder, head and sector cannot be moved"
	}
	n, limit := uint64(b[0])|uint64(b[1])<<8|uint64(b[3])<<16, uint64(1<<24)
	if b[2]&liloLong != 0 {
		n, limit = n|uint64(b[4])<<24, 1<<32
	}
	if t.Start >= limit-n {
		return "the partition is too far up on its disk for an address of LILO"
	}
	n += t.Start
	b[0], b[1], b[3] = byte(n), byte(n>>8), byte(n>>16)
	if b[2]&liloLong != 0 {
		b[4] = byte(n >> 24)
	}
	return ""
}

// A BSD disklabel, as far as it is of interest.
const (
	labelMagic   = 0x82564557
	labelMagic2  = 132 // offset of the second one; the first is at 0
	labelSum     = 136
	labelCount   = 138
	labelParts   = 148
	labelPart    = 16 // bytes: u32 size, u32 offset, ...
	labelRaw     = 2  // the entry of all of the slice
	labelOpenBSD = 8  // OpenBSD: entries from here on are no business of the slice
)

// label moves the partitions of a disklabel, and cuts those that end behind
// the target.
func (t Target) label(open bool, b []byte) (wrong string) {
	le := binary.LittleEndian
	if le.Uint32(b) != labelMagic || le.Uint32(b[labelMagic2:]) != labelMagic {
		return "there is no disklabel"
	}
	count := int(le.Uint16(b[labelCount:]))
	if count > (len(b)-labelParts)/labelPart {
		return "a disklabel with too many partitions"
	}
	limit := t.Start + t.Sectors
	if limit > math.MaxUint32 || limit < t.Start {
		return "the partition ends too far up on its disk for a disklabel"
	}
	used := b[:labelParts+count*labelPart]
	for i := range count {
		p := used[labelParts+i*labelPart:]
		size, off := uint64(le.Uint32(p)), uint64(le.Uint32(p[4:]))
		if size == 0 || open && (i == labelRaw || i >= labelOpenBSD) {
			continue
		}
		off += t.Start
		switch {
		case off >= limit:
			return "a partition of the disklabel begins behind the end of the target"
		case off+size > limit:
			size = limit - off
		case i == labelRaw:
			size = t.Sectors
		}
		le.PutUint32(p, uint32(size))
		le.PutUint32(p[4:], uint32(off))
	}
	sum := uint16(0)
	clear(used[labelSum : labelSum+2])
	for i := 0; i < len(used); i += 2 {
		sum ^= le.Uint16(used[i:])
	}
	le.PutUint16(used[labelSum:], sum)
	return ""
}
