package ntfs

import (
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// boot is what the boot sector says, checked against the volume's size.
type boot struct {
	sector int64        // bytes
	heap   cluster.Heap // all of the volume but what is less than a cluster
	size   int64        // with the copy of the boot sector, where there is one
	mftAt  int64        // cluster
	mirrAt int64        // cluster
	record int64        // bytes of a record of the MFT
	serial uint64
}

// maxCluster is the largest cluster that Windows makes, in bytes.
const maxCluster = 2 << 20

func readBoot(r io.ReaderAt, size int64) (*boot, error) {
	if size < 512 {
		return nil, fsmap.ErrUnknown
	}
	s := make([]byte, 512)
	if err := cluster.Read(r, s, 0, "boot sector"); err != nil {
		return nil, err
	}
	if string(s[3:11]) != "NTFS    " {
		return nil, fsmap.ErrUnknown
	}
	le := binary.LittleEndian
	sector := int64(le.Uint16(s[11:]))
	if s[510] != 0x55 || s[511] != 0xaa || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		le.Uint16(s[14:]) != 0 || s[16] != 0 || le.Uint32(s[17:]) != 0 || le.Uint16(s[22:]) != 0 {
		return nil, fsmap.Unsafef(kind, "boot sector makes no sense")
	}
	per := int64(s[13])
	if per > 128 { // 2 MB are 4096 sectors, and do not fit
		per = 1 << min(256-per, 62)
	}
	if per == 0 || per&(per-1) != 0 || per > maxCluster/sector {
		return nil, fsmap.Unsafef(kind, "clusters of %d sectors", s[13])
	}
	total := int64(le.Uint64(s[40:]))
	if total <= 0 || total > size/sector {
		return nil, fsmap.Unsafef(kind, "needs %d sectors, the volume has %d", uint64(total), size/sector)
	}
	b := &boot{
		sector: sector,
		heap:   cluster.Heap{Size: per * sector, Count: total / per},
		size:   min((total+1)*sector, size),
		mftAt:  int64(le.Uint64(s[48:])),
		mirrAt: int64(le.Uint64(s[56:])),
		serial: le.Uint64(s[72:]),
	}
	if n := int64(int8(s[64])); n < 0 {
		b.record = 1 << min(-n, 62)
	} else {
		b.record = n * b.heap.Size
	}
	if b.record < 512 || b.record > 4096 || b.record&(b.record-1) != 0 {
		return nil, fsmap.Unsafef(kind, "MFT records of %d bytes", b.record)
	}
	for _, at := range []int64{b.mftAt, b.mirrAt} {
		if at <= 0 || at >= b.heap.Count || 4*b.record > (b.heap.Count-at)*b.heap.Size {
			return nil, fsmap.Unsafef(kind, "MFT at cluster %d, of %d", at, b.heap.Count)
		}
	}
	return b, nil
}
