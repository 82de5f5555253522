package bootos

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// superblock is what the first bytes of a volume say of its filesystem.
type superblock struct {
	Type  string // ext4, xfs, btrfs, vfat; or the name of something that cannot be read here
	UUID  string // as blkid writes it
	Label string
	Dirty bool   // its journal holds changes that are not in place yet (known for ext4 only)
	Why   string // why Orbit cannot read it, "" where it can
}

// probeSize covers every magic looked at; the farthest is the btrfs label.
const probeSize = 0x10000 + 0x1000

// probe recognises a filesystem by its magic numbers. Nothing found is the
// zero superblock.
func probe(r io.ReaderAt) (superblock, error) {
	b := make([]byte, probeSize)
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return superblock{}, fmt.Errorf("read superblock: %w", err)
	}
	clear(b[n:])
	for _, try := range []func([]byte) (superblock, bool){probeOther, probeExt, probeXFS, probeBtrfs, probeFAT} {
		if s, ok := try(b); ok {
			return s, nil
		}
	}
	return superblock{}, nil
}

// probeExt reads ext2, 3 and 4 (Documentation/filesystems/ext4/super.rst).
func probeExt(b []byte) (superblock, bool) {
	s := b[0x400:]
	if binary.LittleEndian.Uint16(s[0x38:]) != 0xEF53 {
		return superblock{}, false
	}
	const needsRecovery = 0x4 // EXT4_FEATURE_INCOMPAT_RECOVER
	return superblock{Type: "ext4", UUID: uuid(s[0x68:]), Label: text(s[0x78:0x88]), Dirty: s[0x60]&needsRecovery != 0}, true
}

func probeXFS(b []byte) (superblock, bool) {
	if string(b[:4]) != "XFSB" {
		return superblock{}, false
	}
	return superblock{Type: "xfs", UUID: uuid(b[32:]), Label: text(b[108:120])}, true
}

func probeBtrfs(b []byte) (superblock, bool) {
	s := b[0x10000:]
	if string(s[0x40:0x48]) != "_BHRfS_M" {
		return superblock{}, false
	}
	return superblock{Type: "btrfs", UUID: uuid(s[0x20:]), Label: text(s[0x12b : 0x12b+256])}, true
}

// probeFAT reads FAT12, 16 and 32. Its boot sector shares the 55AA mark with
// every partition table, so the fields before it must make sense too.
func probeFAT(b []byte) (superblock, bool) {
	sector := binary.LittleEndian.Uint16(b[11:])
	cluster, fats := b[13], b[16]
	if b[510] != 0x55 || b[511] != 0xAA || (b[0] != 0xEB && b[0] != 0xE9) ||
		sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		cluster == 0 || cluster&(cluster-1) != 0 || fats == 0 || fats > 2 {
		return superblock{}, false
	}
	ext := b[36:] // extended boot record of FAT12 and 16
	if binary.LittleEndian.Uint16(b[22:]) == 0 {
		ext = b[64:] // FAT32 keeps its table size elsewhere, and its record later
	}
	s := superblock{Type: "vfat"}
	if ext[2] == 0x28 || ext[2] == 0x29 {
		id := binary.LittleEndian.Uint32(ext[3:])
		s.UUID = fmt.Sprintf("%04X-%04X", id>>16, id&0xFFFF)
	}
	if ext[2] == 0x29 {
		if s.Label = text(ext[7:18]); s.Label == "NO NAME" {
			s.Label = ""
		}
	}
	return s, true
}

// probeOther recognises what commonly sits on disks and cannot be read here,
// so that the message can name it.
func probeOther(b []byte) (superblock, bool) {
	const cannot = "Orbit does not read it"
	for _, m := range []struct {
		off              int
		magic, name, why string
	}{
		{0, "LUKS\xba\xbe", "crypto_LUKS", "encrypted"},
		{0x218, "LVM2 001", "LVM2_member", "kernels inside LVM volumes are out of reach; a separate /boot partition is what most systems have"},
		{0x1000, "\xfc\x4e\x2b\xa9", "linux_raid_member", "a member of a Linux RAID set"},
		{0, "\xfc\x4e\x2b\xa9", "linux_raid_member", "a member of a Linux RAID set"},
		{4086, "SWAPSPACE2", "swap", "swap space"},
		{3, "NTFS    ", "ntfs", cannot},
		{3, "-FVE-FS-", "BitLocker", "encrypted"},
		{3, "EXFAT   ", "exfat", cannot},
		{0, "hsqs", "squashfs", cannot},
		{0x400, "\x10\x20\xf5\xf2", "f2fs", cannot},
		{0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "bcachefs", cannot},
		{0x8001, "CD001", "iso9660", cannot},
	} {
		if bytes.HasPrefix(b[m.off:], []byte(m.magic)) {
			return superblock{Type: m.name, Why: m.why}, true
		}
	}
	return superblock{}, false
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
