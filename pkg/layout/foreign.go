package layout

import (
	"cmp"
	"encoding/binary"
	"io"
)

// signature is how a format that is not looked into gives itself away. Tools
// that make a filesystem do not wipe all of these, and some of them lie behind
// a filesystem that is whole, as the other half of a mirror: whatever else is
// there, the volume is saved whole.
type signature struct {
	kind  string // as blkid says
	words string
	magic string
	off   int64 // from the beginning; negative: from the end,
	align int64 // rounded down to a multiple of this
}

const (
	raid     = "a member of an md RAID"
	firmware = "a member of a firmware RAID"
)

var signatures = [...]signature{
	// Linux: md, device mapper targets, caches.
	{"linux_raid_member", raid, "\xfc\x4e\x2b\xa9", 0, 0},              // 1.1
	{"linux_raid_member", raid, "\xfc\x4e\x2b\xa9", 4 << 10, 0},        // 1.2
	{"linux_raid_member", raid, "\xfc\x4e\x2b\xa9", -8 << 10, 4 << 10}, // 1.0
	{"linux_raid_member", raid, "\xfc\x4e\x2b\xa9", -64 << 10, 64 << 10},
	{"linux_raid_member", raid, "\xa9\x2b\x4e\xfc", -64 << 10, 64 << 10}, // 0.90, in either order
	{"crypto_LUKS", "encrypted", "LUKS\xba\xbe", 0, 0},
	{"DM_integrity", "protected by dm-integrity", "integrt\x00", 0, 0},
	{"DM_verity_hash", "a hash tree of dm-verity", "verity\x00\x00", 0, 0},
	{"vdo", "a VDO volume", "dmvdo001", 0, 0},
	{"stratis", "a Stratis volume", "!Stra0tis\x86\xff\x02^\x41rh", 512 + 4, 0},
	{"bcache", "a bcache volume", "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", 4<<10 + 24, 0},
	{"bcachefs", "a bcachefs", "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", 4<<10 + 24, 0},
	{"drbd", "a DRBD volume", "\x83\x74\x02\x6a", -4<<10 + 60, 4 << 10}, // 0.7 to 9
	{"drbd", "a DRBD volume", "\x83\x74\x02\x6b", -4<<10 + 60, 4 << 10},
	{"drbd", "a DRBD volume", "\x83\x74\x02\x6c", -4<<10 + 60, 4 << 10},
	{"drbd", "a DRBD volume", "\x83\x74\x02\x6d", -4<<10 + 60, 4 << 10},

	// Firmware RAID, in the last sectors of a disk.
	{"isw_raid_member", firmware, "Intel Raid ISM Cfg Sig. ", -2 * 512, 512},
	{"isw_raid_member", firmware, "Intel Raid ISM Cfg Sig. ", -2 * 4096, 4096},
	{"ddf_raid_member", firmware, "\xde\x11\xde\x11", -512, 512},
	{"ddf_raid_member", firmware, "\xde\x11\xde\x11", -4096, 4096},
	{"ddf_raid_member", firmware, "\x11\xde\x11\xde", -512, 512},
	{"ddf_raid_member", firmware, "\xde\x11\xde\x11", -257 * 512, 512},
	{"nvidia_raid_member", firmware, "NVIDIA", -2 * 512, 512},
	{"adaptec_raid_member", firmware, "\x37\xfc\x4d\x1e", -512, 512},
	{"lsi_mega_raid_member", firmware, "$XIDE$", -512, 512},
	{"promise_fasttrack_raid_member", firmware, "Promise Technology, Inc.", -63 * 512, 512},

	// Others.
	{"BitLocker", "encrypted by BitLocker", "-FVE-FS-", 3, 0},
	{"BitLocker", "encrypted by BitLocker", "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01", 424, 0},
	{"ReFS", "a ReFS", "ReFS\x00\x00\x00\x00", 3, 0},
	{"VMFS_volume_member", "a VMFS volume", "\x0d\xd0\x01\xc0", 1 << 20, 0},
	{"VMFS", "a VMFS", "\x5e\xf1\xab\x2f", 2 << 20, 0},
	{"bsd", "a BSD disklabel", "\x57\x45\x56\x82", 512, 0},
	{"bsd", "a BSD disklabel", "\x57\x45\x56\x82", 64, 0},
	{"solaris_x86", "a Solaris disklabel", "\xee\xde\x0d\x60", 512 + 12, 0},
	{"iso9660", "an ISO 9660 filesystem", "CD001", 32<<10 + 1, 0},
	{"udf", "a UDF", "BEA01", 32<<10 + 1, 0},
	{"apfs", "an APFS", "NXSB", 32, 0},
	{"f2fs", "an F2FS", "\x10\x20\xf5\xf2", 1 << 10, 0},
	{"erofs", "an EROFS", "\xe2\xe1\xf5\xe0", 1 << 10, 0},
	{"squashfs", "a SquashFS", "hsqs", 0, 0},
	{"jfs", "a JFS", "JFS1", 32 << 10, 0},
	{"reiserfs", "a ReiserFS", "ReIsEr", 64<<10 + 52, 0},
}

// suspendedMagic is what a swap area with a suspended system says, 10 bytes
// before the end of its first page.
var suspendedMagic = [...]string{"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001", "\xed\xc3\x02\xe9\x98\x56\xe5\x0c"}

// foreigner is one of those, found.
type foreigner struct {
	kind, words string
	off         int64
	suspended   bool
}

// foreigners finds all that a volume is by its signatures. Not to be able to
// look for them counts as one.
func foreigners(r io.ReaderAt, size int64) []foreigner {
	var found []foreigner
	w := newWindow(r, size)
	for _, s := range signatures {
		off := s.off
		if off < 0 {
			off += size - size%s.align
		}
		if w.is(off, s.magic) {
			found = append(found, foreigner{kind: s.kind, words: s.words, off: off})
		}
	}
	for page := int64(4 << 10); page <= 64<<10; page *= 2 {
		for _, magic := range suspendedMagic {
			if w.is(page-10, magic) {
				found = append(found, foreigner{"swsuspend", "a suspended system", page - 10, true})
			}
		}
	}
	if off := zfs(w, size); off >= 0 {
		found = append(found, foreigner{kind: "zfs_member", words: "a member of a ZFS pool", off: off})
	}
	if w.err != nil {
		found = append(found, foreigner{words: "not readable: " + w.err.Error(), off: -1})
	}
	return found
}

// window reads the beginning and the end of a volume only once. It keeps the
// first error.
type window struct {
	r          io.ReaderAt
	size       int64
	head, tail []byte
	err        error
}

const windowSize = 136 << 10

func newWindow(r io.ReaderAt, size int64) *window {
	n := min(size, windowSize)
	w := &window{r: r, size: size, head: make([]byte, n), tail: make([]byte, n)}
	w.read(w.head, 0)
	w.read(w.tail, size-n)
	return w
}

func (w *window) read(b []byte, off int64) {
	if n, err := w.r.ReadAt(b, off); n < len(b) {
		clear(b[n:])
		if w.err == nil {
			w.err = cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
}

// is tells whether magic lies at off.
func (w *window) is(off int64, magic string) bool {
	end := off + int64(len(magic))
	if off < 0 || end > w.size {
		return false
	}
	if end <= int64(len(w.head)) {
		return string(w.head[off:end]) == magic
	}
	if at := off - (w.size - int64(len(w.tail))); at >= 0 {
		return string(w.tail[at:][:len(magic)]) == magic
	}
	b := make([]byte, len(magic))
	w.read(b, off)
	return string(b) == magic
}

// A ZFS has two labels of 256 KiB at either end; the second half of each is
// for uberblocks of 1 KiB or more.
const (
	zfsLabel   = 256 << 10
	zfsMin     = 64 << 20
	zfsMagic   = 0x00bab10c
	zfsUberMin = 1 << 10
)

// zfs gives the place of an uberblock, or -1.
func zfs(w *window, size int64) int64 {
	if size < zfsMin {
		return -1
	}
	end := size - size%zfsLabel
	b := make([]byte, zfsLabel/2)
	for _, label := range []int64{0, zfsLabel, end - 2*zfsLabel, end - zfsLabel} {
		w.read(b, label+zfsLabel/2)
		for at := 0; at < len(b); at += zfsUberMin {
			if binary.LittleEndian.Uint64(b[at:]) == zfsMagic || binary.BigEndian.Uint64(b[at:]) == zfsMagic {
				return label + zfsLabel/2 + int64(at)
			}
		}
	}
	return -1
}
