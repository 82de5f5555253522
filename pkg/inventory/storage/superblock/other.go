package superblock

import (
	"encoding/binary"
	"strconv"
)

// optical tells ISO 9660 (ECMA-119, 8.4) and UDF by the volume descriptors from
// sector 16 on.
func (v *volume) optical() (Volume, bool) {
	var found Volume
	for off := 0x8000; off+2048 <= headSize; off += 2048 {
		b := v.head[off:][:2048]
		switch string(b[1:6]) {
		case "NSR02", "NSR03":
			return Volume{Kind: "udf", Label: found.Label}, true
		case "CD001":
			if b[0] != 1 || found.Kind != "" { // not the primary descriptor
				continue
			}
			found = Volume{Kind: "iso9660", Label: text(b[40:72]), UUID: date(b[830:847])}
			if found.UUID == "" {
				found.UUID = date(b[813:830])
			}
		case "BEA01", "TEA01":
		default:
			return found, found.Kind != ""
		}
	}
	return found, found.Kind != ""
}

// date is what stands for a UUID: when the volume was changed last.
func date(b []byte) string {
	zero := true
	for _, c := range b[:16] {
		if c < '0' || c > '9' {
			return ""
		}
		zero = zero && c == '0'
	}
	if zero {
		return ""
	}
	s := string(b)
	return s[:4] + "-" + s[4:6] + "-" + s[6:8] + "-" + s[8:10] + "-" + s[10:12] + "-" + s[12:14] + "-" + s[14:16]
}

// zfs reads the name/value list in the first label of a device (ZFS On-Disk
// Specification, 1.3; XDR as in RFC 4506). It comes last, for making another
// filesystem leaves the list behind, and ZFS clears what others look at.
func (v *volume) zfs() (Volume, bool) {
	b := v.head[0x4000:0x8000]
	if b[0] != 1 || b[1] > 1 || binary.BigEndian.Uint32(b[4:]) != 0 || binary.BigEndian.Uint32(b[8:]) != 1 {
		return Volume{}, false
	}
	const number, words = 8, 9 // DATA_TYPE_UINT64, DATA_TYPE_STRING
	found := Volume{Kind: "zfs_member"}
	for b = b[12:]; len(b) >= 12; {
		size, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[8:])
		if size < 12 || size > uint32(len(b)) || n > size-12 {
			break
		}
		pair := b[12:size]
		b = b[size:]
		key, value := string(pair[:n]), pair[min(int(n+3)&^3, len(pair)):]
		if len(value) < 16 {
			continue
		}
		switch kind, length := binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[8:]); {
		case key == "name" && kind == words && length <= uint32(len(value)-12):
			found.Label = text(value[12:][:length])
		case key == "pool_guid" && kind == number:
			found.UUID = strconv.FormatUint(binary.BigEndian.Uint64(value[8:]), 10)
		}
	}
	return found, found.UUID != ""
}
