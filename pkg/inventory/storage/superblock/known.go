package superblock

import (
	"encoding/binary"
	"strings"
)

// signatures are formats that a magic number at one place tells, with UUID and
// label at fixed places too; 0 is none. Where one magic number is the other's
// beginning, the longer stands first.
var signatures = [...]struct {
	off         int
	magic, kind string
	uuid        int // 16 bytes
	label, size int // NUL-terminated or padded
}{
	{0, "XFSB", "xfs", 32, 108, 12},
	{0x10040, "_BHRfS_M", "btrfs", 0x10020, 0x1012b, 256},
	{0, "hsqs", "squashfs", 0, 0, 0},
	{0x400, "\x10\x20\xf5\xf2", "f2fs", 0x46c, 0, 0},
	{0x400, "\xe2\xe1\xf5\xe0", "erofs", 0x430, 0x440, 16},
	{0x1018, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs", 0x1038, 0x1048, 32},
	{0, "verity\x00\x00", "DM_verity_hash", 16, 0, 0},
	{3, "-FVE-FS-", "BitLocker", 0, 0, 0},
	{0, "bluestore block device\n", "ceph_bluestore", 0, 0, 0},
	{32, "NXSB", "apfs", 72, 0, 0},
	{0x400, "H+\x00\x04", "hfsplus", 0, 0, 0},
	{0x400, "HX\x00\x05", "hfsplus", 0, 0, 0},
	{3, "\x00\x00\x00\x00\x00ReFS\x00", "ReFS", 0, 0, 0},
}

func (v *volume) known() (Volume, bool) {
	for _, s := range &signatures {
		if !strings.HasPrefix(string(v.head[s.off:][:len(s.magic)]), s.magic) {
			continue
		}
		found := Volume{Kind: s.kind}
		if s.uuid > 0 {
			found.UUID = uuid(v.head[s.uuid:])
		}
		if s.size > 0 {
			found.Label = text(v.head[s.label:][:s.size])
		}
		if s.kind == "f2fs" {
			found.Label = wide(v.head[0x47c:][:1024], false)
		}
		return found, true
	}
	return Volume{}, false
}

// luks reads both versions' headers (LUKS2 On-Disk Format Specification, 2.1).
func (v *volume) luks() (Volume, bool) {
	b := v.head
	if string(b[:6]) != "LUKS\xba\xbe" {
		return Volume{}, false
	}
	found := Volume{Kind: "crypto_LUKS", UUID: text(b[168:208])}
	if binary.BigEndian.Uint16(b[6:]) == 2 {
		found.Label = text(b[24:72])
	}
	return found, true
}

// lvm reads the label of a physical volume, in one of its first four sectors.
func (v *volume) lvm() (Volume, bool) {
	for sector := range 4 {
		b := v.head[512*sector:][:512]
		if string(b[:8]) != "LABELONE" || string(b[24:32]) != "LVM2 001" || binary.LittleEndian.Uint64(b[8:]) != uint64(sector) {
			continue
		}
		id, parts := text(b[32:64]), []string(nil)
		if len(id) == 32 {
			for _, n := range []int{6, 4, 4, 4, 4, 4, 6} {
				parts, id = append(parts, id[:n]), id[n:]
			}
		}
		return Volume{Kind: "LVM2_member", UUID: strings.Join(parts, "-")}, true
	}
	return Volume{}, false
}

// swap finds the magic number at the end of the first page, whose size is that
// of the machine that made it.
func (v *volume) swap() (Volume, bool) {
	for page := 4096; page <= 65536; page *= 2 {
		found := Volume{UUID: uuid(v.head[1036:]), Label: text(v.head[1052:1068])}
		switch string(v.head[page-10 : page]) {
		case "SWAPSPACE2":
			found.Kind = "swap"
		case "SWAP-SPACE":
			return Volume{Kind: "swap"}, true // version 0 has neither
		case "S1SUSPEND\x00", "S2SUSPEND\x00", "ULSUSPEND\x00", "\xed\xc3\x02\xe9\x98\x56\xe5\x0c\x00\x00":
			found.Kind = "swsuspend"
		default:
			continue
		}
		return found, true
	}
	return Volume{}, false
}

// ext tells the three by their features, as Documentation/filesystems/ext4 and
// the older drivers' lists of what they support have them.
func (v *volume) ext() (Volume, bool) {
	s := v.head[0x400:]
	if binary.LittleEndian.Uint16(s[0x38:]) != 0xef53 {
		return Volume{}, false
	}
	compat, incompat, rocompat := binary.LittleEndian.Uint32(s[0x5c:]), binary.LittleEndian.Uint32(s[0x60:]), binary.LittleEndian.Uint32(s[0x64:])
	const (
		journal    = 0x4
		journalDev = 0x8
		old        = 0x2 | 0x4 | 0x10 // incompat: filetype, recover, meta_bg
		oldRO      = 0x1 | 0x2 | 0x4  // ro_compat: sparse_super, large_file, btree_dir
	)
	found := Volume{Kind: "ext2", UUID: uuid(s[0x68:]), Label: text(s[0x78:0x88])}
	switch {
	case incompat&journalDev != 0:
		found.Kind = "jbd"
	case incompat&^old != 0, rocompat&^oldRO != 0:
		found.Kind = "ext4"
	case compat&journal != 0:
		found.Kind = "ext3"
	}
	return found, true
}

// bcache shares its magic number with the first versions of bcachefs. They
// differ in where they say where they are.
func (v *volume) bcache() (Volume, bool) {
	s := v.head[0x1000:]
	if string(s[0x18:0x28]) != "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81" {
		return Volume{}, false
	}
	const sector = 0x1000 / 512
	switch {
	case binary.LittleEndian.Uint64(s[8:]) == sector:
		return Volume{Kind: "bcache", UUID: uuid(s[0x28:])}, true
	case binary.LittleEndian.Uint64(s[0x68:]) == sector:
		return Volume{Kind: "bcachefs", UUID: uuid(s[0x38:]), Label: text(s[0x48:0x68])}, true
	}
	return Volume{}, false
}
