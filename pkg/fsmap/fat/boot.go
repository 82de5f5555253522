package fat

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// boot is what the boot sector says. Offsets and sizes are bytes, and all of
// them are within the volume.
type boot struct {
	bits    int // of an entry in the FAT: 12, 16 or 32
	media   byte
	fat     int64 // where the first FAT begins
	fatSize int64 // from one to the next
	fats    []int64
	root    extent.Range // the root directory of FAT12 and FAT16
	rootAt  uint32       // the root directory's first cluster on FAT32
	heap    cluster.Heap // whose cluster 0 is the FAT's 2
	size    int64
	spare   []extent.Range // copies of boot sector and FSInfo, wherever they are
	dirty   bool
	label   string
	serial  uint32
}

func (b *boot) uuid() string {
	if b.serial == 0 {
		return ""
	}
	return fmt.Sprintf("%04X-%04X", b.serial>>16, b.serial&0xffff)
}

// Offsets in the boot sector.
const (
	bytsPerSec = 11
	secPerClus = 13
	rsvdSecCnt = 14
	numFATs    = 16
	rootEntCnt = 17
	totSec16   = 19
	media      = 21
	fatSz16    = 22
	totSec32   = 32
	fatSz32    = 36
	extFlags   = 40
	fsVer      = 42
	rootClus   = 44
	fsInfo     = 48
	bkBootSec  = 50
	drvNum16   = 36 // then one byte of state, the signature, serial and label
	drvNum32   = 64
)

// bitLocker To Go puts a small FAT32 with a reader program over the encrypted
// volume, and this at 424 of the boot sector.
const bitLocker = "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01"

// readBoot reads the boot sector. What a BPB could not say makes it another
// kind of sector; what it could say but makes no sense makes it unsafe.
func readBoot(r io.ReaderAt, size int64) (*boot, error) {
	if size < 512 {
		return nil, fsmap.ErrUnknown
	}
	s := make([]byte, 512)
	if err := cluster.Read(r, s, 0, "boot sector"); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(s[bytsPerSec:])), int64(s[secPerClus])
	reserved, copies := int64(le.Uint16(s[rsvdSecCnt:])), int64(s[numFATs])
	entries := int64(le.Uint16(s[rootEntCnt:]))
	fatSectors, total := int64(le.Uint16(s[fatSz16:])), int64(le.Uint16(s[totSec16:]))
	b := &boot{media: s[media]}
	is32 := fatSectors == 0 // whatever the number of clusters: so all drivers tell
	if is32 {
		fatSectors = int64(le.Uint32(s[fatSz32:]))
	}
	if total == 0 {
		total = int64(le.Uint32(s[totSec32:]))
	}
	jump := s[0] == 0xeb && s[2] == 0x90 || s[0] == 0xe9
	if !jump || s[510] != 0x55 || s[511] != 0xaa || string(s[3:11]) == "-FVE-FS-" ||
		!slices.Contains([]int64{512, 1024, 2048, 4096}, sector) ||
		perCluster == 0 || perCluster&(perCluster-1) != 0 ||
		reserved == 0 || copies == 0 || copies > 4 ||
		b.media != 0xf0 && b.media < 0xf8 ||
		fatSectors == 0 || total == 0 || is32 != (entries == 0) {
		return nil, fsmap.ErrUnknown
	}
	if string(s[424:440]) == bitLocker {
		return nil, fsmap.Unsafef(kind, "encrypted with BitLocker")
	}

	rootSectors := (entries*32 + sector - 1) / sector
	first := reserved + copies*fatSectors + rootSectors
	b.fat, b.fatSize, b.size = reserved*sector, fatSectors*sector, total*sector
	b.root = extent.Range{Off: (first - rootSectors) * sector, End: first * sector}
	b.heap = cluster.Heap{Off: first * sector, Size: perCluster * sector, Count: (total - first) / perCluster}
	if b.size > size {
		return nil, fsmap.Unsafef(kind, "needs %d bytes, the volume has %d", b.size, size)
	}
	if total <= first || b.heap.Count == 0 {
		return nil, fsmap.Unsafef(kind, "no room for clusters in %d sectors", total)
	}
	for i := range copies {
		b.fats = append(b.fats, b.fat+i*b.fatSize)
	}
	if err := b.count(is32); err != nil {
		return nil, err
	}
	ext := s[drvNum16:]
	if is32 {
		ext = s[drvNum32:]
		if err := b.fat32(s, sector); err != nil {
			return nil, err
		}
	}
	b.dirty = ext[1]&1 != 0 // Linux has its own place for it
	if ext[2] == 0x28 || ext[2] == 0x29 {
		b.serial = le.Uint32(ext[3:])
	}
	if label := cluster.Text(ext[7:18]); ext[2] == 0x29 && label != "NO NAME" {
		b.label = label
	}
	return b, nil
}

// count decides what kind of FAT it is, and whether it is large enough.
func (b *boot) count(is32 bool) error {
	n := b.heap.Count
	switch {
	case is32:
		b.bits = 32
	case n < 4085:
		b.bits = 12
	case n < 4087:
		return fsmap.Unsafef(kind, "systems differ on whether %d clusters make FAT12 or FAT16", n)
	default:
		b.bits = 16
	}
	most := int64(0xff5) // so that no cluster has the number that means a bad one
	switch b.bits {
	case 16:
		most = 0xfff5
	case 32:
		most = 0xffffff5
	}
	if n > most {
		return fsmap.Unsafef(kind, "%d clusters are too many for FAT%d", n, b.bits)
	}
	if need := ((n+2)*int64(b.bits) + 7) / 8; need > b.fatSize {
		return fsmap.Unsafef(kind, "FAT of %d bytes is too small for %d clusters", b.fatSize, n)
	}
	return nil
}

// fat32 reads what only FAT32 has in its boot sector.
func (b *boot) fat32(s []byte, sector int64) error {
	le := binary.LittleEndian
	if v := le.Uint16(s[fsVer:]); v != 0 {
		return fsmap.Unsafef(kind, "FAT32 version %d.%d", v>>8, v&0xff)
	}
	if b.rootAt = le.Uint32(s[rootClus:]); !b.valid(b.rootAt) {
		return fsmap.Unsafef(kind, "root directory at cluster %d of %d", b.rootAt, b.heap.Count)
	}
	if flags := le.Uint16(s[extFlags:]); flags&0x80 != 0 { // one FAT is live, the others are not kept up
		active := int(flags & 0xf)
		if active >= len(b.fats) {
			return fsmap.Unsafef(kind, "active FAT %d of %d", active, len(b.fats))
		}
		b.fats = b.fats[active : active+1]
	}
	for _, at := range []int{fsInfo, bkBootSec} {
		n := int64(le.Uint16(s[at:]))
		// The copy is of three sectors, its own FSInfo among them.
		spare := extent.Range{Off: n * sector, End: (n + 3) * sector}
		if n != 0xffff {
			b.spare = append(b.spare, spare.Intersect(extent.Range{End: b.size}))
		}
	}
	return nil
}

// valid tells whether a cluster of this number, as in the FAT, exists.
func (b *boot) valid(n uint32) bool { return n >= 2 && int64(n)-2 < b.heap.Count }
