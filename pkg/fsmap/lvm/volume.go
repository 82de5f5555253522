package lvm

import (
	"bytes"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// Volume is a physical volume.
type Volume struct {
	UUID     string // as blkid and pvs print it
	Size     int64  // of the device it was made for, bytes
	Metadata extent.Set

	// All below is zero for a volume that belongs to no group.
	VG, VGUUID string
	Seqno      int64 // of the group's metadata: counts its changes
	Volumes    int   // physical volumes of the group
	Extent     int64 // bytes
	Start      int64 // of the first extent, bytes
	Extents    int64 // how many there are here
	LVs        []LV  // of the whole group, as its metadata has them
}

// LV is a logical volume.
type LV struct {
	Name, UUID string
	Size       int64    // bytes
	Types      []string // of its segments: striped, thin-pool, ...
	Pieces     []Piece  // what of it lies on this physical volume

	// Linear tells that all of it is on this physical volume, piece behind
	// piece, and that no other logical volume (such as a snapshot) reads
	// from it: the filesystem in it alone says which of its bytes matter.
	Linear bool
}

// Piece is a part of a logical volume on the physical one.
type Piece struct {
	Off   int64        // of the segment in the logical volume, bytes
	Range extent.Range // on the physical volume
}

// Read reads a physical volume of size bytes. Anything else is
// fsmap.ErrUnknown; one whose allocation is not certain is an
// *fsmap.UnsafeError.
func Read(r io.ReaderAt, size int64) (*Volume, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	v := &Volume{UUID: dashed(h.id), Size: h.size}
	if v.Size == 0 {
		v.Size = size
	}
	v.Metadata.Add(extent.Range{Off: 0, End: min(labelSectors*sector, v.Size)})
	for _, list := range [][]extent.Range{h.metadata, h.boot} {
		for _, a := range list {
			v.Metadata.Add(a)
		}
	}
	if end := v.Metadata.End(); end > v.Size {
		return nil, unsafef("an area ends at byte %d of %d", end, v.Size)
	}
	text, err := readText(r, h)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return v, nil
	}
	if err := decodeGroup(text, h.id, v); err != nil {
		return nil, err
	}
	extents := extent.Range{Off: v.Start, End: v.Start + v.Extents*v.Extent}
	if v.Metadata.Overlaps(extents) {
		return nil, unsafef("the extents of the volume overlap its metadata")
	}
	return v, nil
}

// readText gives the metadata of the volume's group, nil where it has none.
func readText(r io.ReaderAt, h *header) ([]byte, error) {
	var text []byte
	kept, ignored := 0, 0
	for _, a := range h.metadata {
		t, skip, err := readArea(r, a)
		if err != nil {
			return nil, err
		}
		if skip {
			ignored++
			continue
		}
		if kept > 0 && !bytes.Equal(t, text) {
			return nil, unsafef("the metadata areas of the volume disagree")
		}
		text = t
		kept++
	}
	switch {
	case text != nil:
	case kept == 0:
		return nil, unsafef("its metadata is kept on other physical volumes (%d areas here are not kept up to date)", ignored)
	case h.used || h.version < 2:
		return nil, unsafef("it has no metadata, but may belong to a volume group")
	}
	return text, nil
}

// Used is what matters of the volume: all before its first extent, its
// metadata wherever it is, and the extents of all logical volumes.
func (v *Volume) Used() extent.Set {
	var all []extent.Range
	for i := range v.LVs {
		for _, p := range v.LVs[i].Pieces {
			all = append(all, p.Range)
		}
	}
	used := extent.NewSet(all...).Union(v.Metadata)
	head := v.Start
	if v.Extent == 0 {
		head = min(1<<20, v.Size) // where the first extent would be
	}
	used.Add(extent.Range{Off: 0, End: head})
	return used
}

// Map is what Read finds as the map of a volume.
func (v *Volume) Map() *fsmap.Map {
	block := v.Extent
	if block == 0 {
		block = sector
	}
	m := &fsmap.Map{Kind: kind, Label: v.VG, UUID: v.UUID, Size: v.Size, Block: block, Used: v.Used()}
	if v.Volumes > 1 {
		m.Notes = append(m.Notes, "volume group "+v.VG+" has other physical volumes too")
	}
	return m
}

// Map is the used-block map of a physical volume: Read and Volume.Map in one.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	v, err := Read(r, size)
	if err != nil {
		return nil, err
	}
	return v.Map(), nil
}

// dashed writes an id as LVM prints it: 6-4-4-4-4-4-6.
func dashed(id string) string {
	return id[:6] + "-" + id[6:10] + "-" + id[10:14] + "-" + id[14:18] + "-" + id[18:22] + "-" + id[22:26] + "-" + id[26:]
}
