package adapt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// volume is what the first bytes of a partition say of its content.
type volume struct {
	Kind   string // ext4 (for 2 and 3 too), xfs, btrfs, vfat, swap; or the name of what cannot be used here
	UUID   string // as blkid prints it
	Label  string
	Block  int64  // bytes
	Covers int64  // bytes that it is made for, 0 where that is not looked at
	Device uint64 // btrfs: number of this device
	Why    string // why it can be neither mounted nor grown, "" where it can
	Bad    string // a state in which it must not be grown, "" where there is none
}

// probeSize covers every field looked at; the farthest is the btrfs label.
const probeSize = 0x10000 + 0x1000

// probe recognises what lies on a volume by its magic numbers. Nothing known
// is the zero volume.
func probe(r io.ReaderAt) (volume, error) {
	b := make([]byte, probeSize)
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return volume{}, fmt.Errorf("read superblock: %w", err)
	}
	clear(b[n:])
	for _, try := range []func([]byte) (volume, bool){probeOther, probeSwap, probeExt, probeXFS, probeBtrfs, probeFAT} {
		if v, ok := try(b); ok {
			return v, nil
		}
	}
	return volume{}, nil
}

// probeExt reads Documentation/filesystems/ext4/super.rst.
func probeExt(b []byte) (volume, bool) {
	s := b[0x400:]
	shift := binary.LittleEndian.Uint32(s[0x18:])
	if binary.LittleEndian.Uint16(s[0x38:]) != 0xEF53 || shift > 6 {
		return volume{}, false
	}
	v := volume{Kind: "ext4", UUID: uuid(s[0x68:]), Label: text(s[0x78:0x88]), Block: 1024 << shift}
	blocks := uint64(binary.LittleEndian.Uint32(s[0x4:]))
	if binary.LittleEndian.Uint32(s[0x60:])&0x80 != 0 { // 64BIT
		blocks |= uint64(binary.LittleEndian.Uint32(s[0x150:])) << 32
	}
	v.Covers = int64(min(blocks, 1<<46)) * v.Block
	switch {
	case binary.LittleEndian.Uint16(s[0x3A:])&0x2 != 0: // ERROR_FS
		v.Bad = "it is marked to have errors: check it with e2fsck -f first"
	case binary.LittleEndian.Uint32(s[0x5C:])&0x200 != 0: // SPARSE_SUPER2
		v.Bad = "Linux does not grow one with the feature sparse_super2"
	}
	return v, true
}

// probeXFS reads struct xfs_dsb of libxfs/xfs_format.h.
func probeXFS(b []byte) (volume, bool) {
	block := int64(binary.BigEndian.Uint32(b[4:]))
	if string(b[:4]) != "XFSB" || block < 512 || block > 65536 {
		return volume{}, false
	}
	blocks := min(binary.BigEndian.Uint64(b[8:]), 1<<46)
	return volume{Kind: "xfs", UUID: uuid(b[32:]), Label: text(b[108:120]), Block: block, Covers: int64(blocks) * block}, true
}

// probeBtrfs reads struct btrfs_super_block of linux/btrfs_tree.h; its
// dev_item at 0xC9 begins with number and size of this device.
func probeBtrfs(b []byte) (volume, bool) {
	s := b[0x10000:]
	if string(s[0x40:0x48]) != "_BHRfS_M" {
		return volume{}, false
	}
	v := volume{Kind: "btrfs", UUID: uuid(s[0x20:]), Label: text(s[0x12B : 0x12B+256])}
	v.Block = int64(binary.LittleEndian.Uint32(s[0x90:]))
	v.Device = binary.LittleEndian.Uint64(s[0xC9:])
	v.Covers = int64(min(binary.LittleEndian.Uint64(s[0xD1:]), 1<<62))
	if n := binary.LittleEndian.Uint64(s[0x88:]); n != 1 {
		v.Why = fmt.Sprintf("a btrfs of %d devices", n)
	}
	return v, true
}

// probeSwap reads union swap_header of linux/swap.h. The magic number is at
// the end of the first page, whose size is that of the machine that made it.
func probeSwap(b []byte) (volume, bool) {
	for page := 4096; page <= 65536; page *= 2 {
		switch string(b[page-10 : page]) {
		case "SWAPSPACE2":
		case "S1SUSPEND\x00", "S2SUSPEND\x00", "ULSUSPEND\x00":
			return volume{Kind: "swap", Why: "swap space that a hibernated system waits in"}, true
		default:
			continue
		}
		v := volume{Kind: "swap", Block: int64(page)}
		var order binary.ByteOrder = binary.LittleEndian
		if binary.LittleEndian.Uint32(b[1024:]) != 1 {
			order = binary.BigEndian
		}
		v.Covers = (int64(order.Uint32(b[1028:])) + 1) * v.Block
		v.UUID, v.Label = uuid(b[1036:]), text(b[1052:1068])
		if order.Uint32(b[1024:]) != 1 || order.Uint32(b[1032:]) != 0 {
			v.Bad = "its header is of another version or lists bad pages"
		}
		return v, true
	}
	return volume{}, false
}

// probeFAT reads the boot sector of FAT12, 16 and 32. It shares the 55AA mark
// with every partition table, so the fields before it must make sense too.
func probeFAT(b []byte) (volume, bool) {
	sector, cluster, fats := binary.LittleEndian.Uint16(b[11:]), b[13], b[16]
	if b[510] != 0x55 || b[511] != 0xAA || (b[0] != 0xEB && b[0] != 0xE9) ||
		sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		cluster == 0 || cluster&(cluster-1) != 0 || fats == 0 || fats > 2 {
		return volume{}, false
	}
	ext := b[36:] // extended boot record of FAT12 and 16
	if binary.LittleEndian.Uint16(b[22:]) == 0 {
		ext = b[64:] // FAT32 has it later
	}
	v := volume{Kind: "vfat", Block: int64(sector) * int64(cluster)}
	if ext[2] == 0x29 {
		id := binary.LittleEndian.Uint32(ext[3:])
		v.UUID = fmt.Sprintf("%04X-%04X", id>>16, id&0xFFFF)
		v.Label = text(ext[7:18])
	}
	return v, true
}

// probeOther recognises what is common on disks and out of reach here, so that
// the message can name it.
func probeOther(b []byte) (volume, bool) {
	for _, m := range []struct {
		off              int
		magic, kind, why string
	}{
		{0, "LUKS\xba\xbe", "crypto_LUKS", "encrypted (LUKS)"},
		{3, "-FVE-FS-", "BitLocker", "encrypted (BitLocker)"},
		{0x218, "LVM2 001", "LVM2_member", "a physical volume of LVM, and filesystems inside LVM are out of reach"},
		{0x1000, "\xfc\x4e\x2b\xa9", "linux_raid_member", "a member of a Linux RAID set"},
		{0, "\xfc\x4e\x2b\xa9", "linux_raid_member", "a member of a Linux RAID set"},
		{3, "NTFS    ", "ntfs", "NTFS"},
		{3, "EXFAT   ", "exfat", "exFAT"},
		{0, "hsqs", "squashfs", "squashfs, which is read-only"},
		{0x400, "\x10\x20\xf5\xf2", "f2fs", "F2FS"},
		{0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "bcachefs", "bcachefs"},
		{0x8001, "CD001", "iso9660", "ISO 9660, which is read-only"},
	} {
		if bytes.HasPrefix(b[m.off:], []byte(m.magic)) {
			return volume{Kind: m.kind, Why: m.why}, true
		}
	}
	return volume{}, false
}

// mountable tells what can hold files that this package writes.
func (v volume) mountable() bool {
	switch v.Kind {
	case "ext4", "xfs", "btrfs", "vfat":
		return v.Why == ""
	}
	return false
}

func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// text cuts a fixed field at its first NUL and trailing spaces.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.TrimRight(string(b), " ")
}
