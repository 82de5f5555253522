package exfat

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// boot is what the boot sector says. Offsets and sizes are bytes, and all of
// them are within the volume.
type boot struct {
	size          int64
	fat           int64        // where the active FAT begins
	heap          cluster.Heap // whose cluster 0 is the FAT's 2
	fats          int
	rootAt        uint32 // the root directory's first cluster
	serial        uint32
	dirty, failed bool
}

// Offsets in the boot sector.
const (
	volumeLength      = 72
	fatOffset         = 80
	fatLength         = 84
	clusterHeapOffset = 88
	clusterCount      = 92
	rootCluster       = 96
	volumeSerial      = 100
	revision          = 104
	volumeFlags       = 106 // of two bytes, not in the checksum
	sectorShift       = 108
	clusterShift      = 109
	numberOfFats      = 110
	percentInUse      = 112 // not in the checksum
)

// regionSectors is the size of the main boot region, the last of which is full
// of the checksum of the others. The backup follows.
const regionSectors = 12

func readBoot(r io.ReaderAt, size int64) (*boot, error) {
	if size < 512 {
		return nil, fsmap.ErrUnknown
	}
	s := make([]byte, 512)
	if err := cluster.Read(r, s, 0, "boot sector"); err != nil {
		return nil, err
	}
	// The place of a FAT's BPB is zero, so that nobody takes it for one.
	if string(s[3:11]) != "EXFAT   " || len(bytes.Trim(s[11:64], "\x00")) > 0 || s[510] != 0x55 || s[511] != 0xaa {
		return nil, fsmap.ErrUnknown
	}
	le := binary.LittleEndian
	if v := le.Uint16(s[revision:]); v>>8 != 1 {
		return nil, fsmap.Unsafef(kind, "revision %d.%02d", v>>8, v&0xff)
	}
	shift, perCluster, fats := s[sectorShift], s[clusterShift], s[numberOfFats]
	if shift < 9 || shift > 12 || perCluster > 25-shift || fats < 1 || fats > 2 {
		return nil, fsmap.Unsafef(kind, "sectors of 2^%d bytes, clusters of 2^%d sectors, %d FATs", shift, perCluster, fats)
	}
	if err := check(r, 1<<shift, size); err != nil {
		return nil, err
	}

	total := le.Uint64(s[volumeLength:])
	first, length := int64(le.Uint32(s[fatOffset:])), int64(le.Uint32(s[fatLength:]))
	heap, count := int64(le.Uint32(s[clusterHeapOffset:])), int64(le.Uint32(s[clusterCount:]))
	switch {
	case total > uint64(size)>>shift:
		return nil, fsmap.Unsafef(kind, "needs %d sectors, the volume has %d", total, size>>shift)
	case first < 2*regionSectors || heap < first+int64(fats)*length || count == 0 || count > 1<<32-11 ||
		uint64(heap+count<<perCluster) > total:
		return nil, fsmap.Unsafef(kind, "FAT at %d, heap at %d with %d clusters, of %d sectors", first, heap, count, total)
	case length<<shift < 4*(count+2):
		return nil, fsmap.Unsafef(kind, "FAT of %d sectors is too small for %d clusters", length, count)
	}
	flags := le.Uint16(s[volumeFlags:])
	b := &boot{
		size:   int64(total) << shift,
		fat:    first << shift,
		heap:   cluster.Heap{Off: heap << shift, Size: 1 << (shift + perCluster), Count: count},
		fats:   int(fats),
		rootAt: le.Uint32(s[rootCluster:]),
		serial: le.Uint32(s[volumeSerial:]),
		dirty:  flags&2 != 0,
		failed: flags&4 != 0,
	}
	if flags&1 != 0 {
		if fats == 1 {
			return nil, fsmap.Unsafef(kind, "second FAT is active, there is one")
		}
		b.fat += length << shift
	}
	return b, nil
}

// check computes the checksum of the main boot region.
func check(r io.ReaderAt, sector, size int64) error {
	if size < 2*regionSectors*sector {
		return fsmap.Unsafef(kind, "volume of %d bytes has no room for boot regions", size)
	}
	b := make([]byte, regionSectors*sector)
	if err := cluster.Read(r, b, 0, "boot region"); err != nil {
		return err
	}
	sum := uint32(0)
	last := len(b) - int(sector)
	for i, c := range b[:last] {
		if i != volumeFlags && i != volumeFlags+1 && i != percentInUse {
			sum = sum<<31 | sum>>1
			sum += uint32(c)
		}
	}
	for at := last; at < len(b); at += 4 {
		if got := binary.LittleEndian.Uint32(b[at:]); got != sum {
			return fsmap.Unsafef(kind, "boot region has checksum %#x, says %#x", sum, got)
		}
	}
	return nil
}

// valid tells whether a cluster of this number, as in the FAT, exists.
func (b *boot) valid(n uint32) bool { return n >= 2 && int64(n)-2 < b.heap.Count }
