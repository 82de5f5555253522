package superblock

import (
	"encoding/binary"
	"fmt"
)

// fat reads the boot sector of FAT12, 16 and 32. It shares the 55AA mark with
// every partition table, so that the fields before it must make sense too.
func (v *volume) fat() (Volume, bool) {
	b := v.head
	sector, cluster, reserved, fats := int64(binary.LittleEndian.Uint16(b[11:])), int64(b[13]), int64(binary.LittleEndian.Uint16(b[14:])), int64(b[16])
	if b[510] != 0x55 || b[511] != 0xaa || b[0] != 0xeb && b[0] != 0xe9 || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		cluster == 0 || cluster&(cluster-1) != 0 || reserved == 0 || fats == 0 || fats > 2 || b[21] != 0xf0 && b[21] < 0xf8 {
		return Volume{}, false
	}
	extended, table := b[36:62], int64(binary.LittleEndian.Uint16(b[22:]))
	root := (reserved + fats*table) * sector
	if table == 0 { // FAT32 has it later, and the root directory in a cluster
		extended, table = b[64:90], int64(binary.LittleEndian.Uint32(b[36:]))
		first := int64(binary.LittleEndian.Uint32(b[44:]))
		root = (reserved + fats*table + (first-2)*cluster) * sector
	}
	found := Volume{Kind: "vfat"}
	if extended[2] == 0x29 || extended[2] == 0x28 {
		if id := binary.LittleEndian.Uint32(extended[3:]); id != 0 {
			found.UUID = fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)
		}
		if extended[2] == 0x29 {
			found.Label = name(extended[7:18])
		}
	}
	// The label in the root directory is the one that systems show and change.
	for b := v.read(root, 1024); len(b) >= 32 && b[0] != 0; b = b[32:] {
		const volumeID, directory, longName = 0x08, 0x10, 0x0f
		if a := b[11]; b[0] != 0xe5 && a&0x3f != longName && a&(volumeID|directory) == volumeID {
			label := append([]byte(nil), b[:11]...)
			if label[0] == 0x05 {
				label[0] = 0xe5
			}
			found.Label = name(label)
			break
		}
	}
	return found, true
}

// name is a FAT label; "NO NAME" is none.
func name(b []byte) string {
	if s := text(b); s != "NO NAME" {
		return s
	}
	return ""
}

// exfat reads the exFAT file system specification's boot sector, and the label
// in the root directory.
func (v *volume) exfat() (Volume, bool) {
	b := v.head
	if string(b[3:11]) != "EXFAT   " {
		return Volume{}, false
	}
	id := binary.LittleEndian.Uint32(b[100:])
	found := Volume{Kind: "exfat", UUID: fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)}
	heap, root, sector, cluster := int64(binary.LittleEndian.Uint32(b[88:])), int64(binary.LittleEndian.Uint32(b[96:])), b[108], b[109]
	if sector < 9 || sector > 12 || cluster > 25-sector || root < 2 {
		return found, true
	}
	for e := v.read((heap+(root-2)<<cluster)<<sector, 1024); len(e) >= 32 && e[0] != 0; e = e[32:] {
		if e[0] == 0x83 { // volume label
			found.Label = wide(e[2:][:2*min(int(e[1]), 11)], false)
			break
		}
	}
	return found, true
}

// ntfs reads the boot sector, and the label in the fourth record of the master
// file table, $Volume.
func (v *volume) ntfs() (Volume, bool) {
	b := v.head
	sector, cluster := int64(binary.LittleEndian.Uint16(b[11:])), int64(b[13])
	if string(b[3:11]) != "NTFS    " || sector < 256 || sector > 4096 || cluster == 0 {
		return Volume{}, false
	}
	found := Volume{Kind: "ntfs", UUID: fmt.Sprintf("%016X", binary.LittleEndian.Uint64(b[72:]))}
	if cluster > 128 { // a power of two, for clusters of more than 64 KiB
		if cluster = 256 - cluster; cluster > 12 {
			return found, true
		}
		cluster = 1 << cluster
	}
	record := int64(int8(b[64]))
	switch {
	case record > 0:
		record *= cluster * sector
	case record < -30:
		return found, true
	default:
		record = 1 << -record
	}
	table := binary.LittleEndian.Uint64(b[48:])
	if record < 512 || record > 64<<10 || table > 1<<40 {
		return found, true
	}
	r := v.read(int64(table)*cluster*sector+3*record, int(record))
	if r == nil || string(r[:4]) != "FILE" {
		return found, true
	}
	for off := int(binary.LittleEndian.Uint16(r[20:])); off+24 <= len(r); {
		kind, size := binary.LittleEndian.Uint32(r[off:]), int(binary.LittleEndian.Uint32(r[off+4:]))
		if kind == 0xffffffff || size < 24 || size > len(r)-off {
			break
		}
		if kind == 0x60 { // $VOLUME_NAME, always resident
			n, at := int(binary.LittleEndian.Uint32(r[off+16:])), int(binary.LittleEndian.Uint16(r[off+20:]))
			if n >= 0 && at <= size && n <= size-at {
				found.Label = wide(r[off+at:][:n], false)
			}
			break
		}
		off += size
	}
	return found, true
}
