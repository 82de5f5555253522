package superblock

import (
	"encoding/binary"
	"io"
)

// Member looks only for what says at the end of a disk, from the given byte on,
// that it is a member of a RAID set: a disk with a partition table may be one,
// for what is inside then begins where it would without.
func Member(r io.ReaderAt, size, from int64) (Volume, error) {
	v := volume{r: r, size: size}
	found, _ := v.end(from)
	return found, v.err
}

// raid finds the members of RAID sets.
func (v *volume) raid() (Volume, bool) {
	if found, ok := v.end(0); ok {
		return found, true
	}
	for _, off := range []int64{0, 0x1000} { // 1.1 and 1.2
		if found, ok := v.md1(off); ok {
			return found, true
		}
	}
	return Volume{}, false
}

// end looks at the last bytes, all but one of them in one piece: disks are slow
// to answer, not to read.
func (v *volume) end(from int64) (Volume, bool) {
	v.tailAt = max(v.size&^0xfff-0x2000, 0)
	v.tail = v.read(v.tailAt, int(v.size-v.tailAt))
	const reserved = 64 << 10 // multiple and room of version 0.90's superblock
	at := v.size&^(reserved-1) - reserved
	if at >= max(from, 1) {
		if found, ok := md0(v.read(at, 64)); ok {
			return found, true
		}
	}
	if at := v.size&^0xfff - 0x2000; at >= from {
		if found, ok := v.md1(at); ok { // 1.0
			return found, true
		}
	}
	for _, sector := range []int64{512, 4096} {
		last := v.size&^(sector-1) - sector
		if last-sector < from {
			break
		}
		if b := v.read(last-sector, 32); b != nil && string(b[:24]) == "Intel Raid ISM Cfg Sig. " {
			return Volume{Kind: "isw_raid_member"}, true
		}
		// SNIA's Common RAID Disk Data Format: the anchor header.
		if b := v.read(last, 32); b != nil && binary.BigEndian.Uint32(b) == 0xde11de11 {
			return Volume{Kind: "ddf_raid_member", UUID: text(b[8:32])}, true
		}
	}
	return Volume{}, false
}

const mdMagic = 0xa92b4efc

// md0 reads mdp_super_t of linux/raid/md_p.h, which is in the byte order of the
// machine that made it.
func md0(b []byte) (Volume, bool) {
	if b == nil {
		return Volume{}, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(b) != mdMagic {
		order = binary.BigEndian
	}
	if order.Uint32(b) != mdMagic || order.Uint32(b[4:]) != 0 {
		return Volume{}, false
	}
	id := make([]byte, 16)
	binary.BigEndian.PutUint32(id, order.Uint32(b[20:]))
	if order.Uint32(b[8:]) >= 90 {
		for i := range 3 {
			binary.BigEndian.PutUint32(id[4+4*i:], order.Uint32(b[52+4*i:]))
		}
	}
	return Volume{Kind: "linux_raid_member", UUID: uuid(id)}, true
}

// md1 reads struct mdp_superblock_1, which says where it is.
func (v *volume) md1(off int64) (Volume, bool) {
	b := v.read(off, 256)
	if b == nil || binary.LittleEndian.Uint32(b) != mdMagic || binary.LittleEndian.Uint32(b[4:]) != 1 ||
		binary.LittleEndian.Uint64(b[144:]) != uint64(off)/512 {
		return Volume{}, false
	}
	return Volume{Kind: "linux_raid_member", UUID: uuid(b[16:]), Label: text(b[32:64])}, true
}
