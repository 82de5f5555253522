// Package ntfs tells which bytes of an NTFS volume (versions 1.2, 3.0 and 3.1)
// are in use, by its cluster bitmap, the file $Bitmap. There is no public
// specification by Microsoft; the structures are as the Linux-NTFS project
// describes them in its "NTFS Documentation" (Russon, Fledel).
//
// The bitmap is only as good as the volume is at rest. One that is marked
// dirty, whose journal is to be replayed, or with a hibernated Windows on it is
// refused.
package ntfs

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

const kind = "ntfs"

// Records of the master file table (MFT) that are always the same file.
const (
	recMFT     = 0
	recMFTMirr = 1
	recLogFile = 2
	recVolume  = 3
	recRoot    = 5
	recBitmap  = 6
	recBadClus = 8
)

// bootCode is the size of $Boot, bytes.
const bootCode = 8192

// volume is an NTFS volume and what is known of it so far.
type volume struct {
	r io.ReaderAt
	*boot
	mft *stream
	own extent.Set // clusters of metadata
}

// Map reads the map of the NTFS volume that r holds in its first size bytes.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	b, err := readBoot(r, size)
	if err != nil {
		return nil, err
	}
	switch name, err := cluster.Foreign(r, size); {
	case err != nil:
		return nil, err
	case name != "":
		return nil, fsmap.Unsafef(kind, "volume also looks like %s", name)
	}
	v := &volume{r: r, boot: b}
	m := &fsmap.Map{
		Kind:  kind,
		UUID:  fmt.Sprintf("%016X", b.serial),
		Size:  b.size,
		Block: b.heap.Size,
	}
	if err := v.openMFT(); err != nil {
		return nil, err
	}
	if m.Label, err = v.state(); err != nil {
		return nil, err
	}
	if err := v.journal(); err != nil {
		return nil, err
	}
	if err := v.awake(); err != nil {
		return nil, err
	}
	used, err := v.used()
	if err != nil {
		return nil, err
	}
	bad, err := v.bad()
	if err != nil {
		return nil, err
	}
	if !bad.Empty() {
		m.Notes = append(m.Notes, fmt.Sprintf("%d bytes of bad clusters are left out", bad.Len()))
	}
	// The last sector, behind all clusters, is the copy of the first.
	ends := extent.NewSet(
		extent.Range{End: min(bootCode, b.size)},
		extent.Range{Off: b.heap.End(), End: b.size},
	)
	m.Used = used.Subtract(bad).Union(ends)
	return m, nil
}

// used is the clusters that $Bitmap has a bit set for.
func (v *volume) used() (extent.Set, error) {
	var none extent.Set
	s, err := v.system(recBitmap, typeData, "")
	if err != nil {
		return none, err
	}
	need := (v.heap.Count + 7) / 8
	if min(s.size, s.valid) < need {
		return none, fsmap.Unsafef(kind, "bitmap of %d bytes for %d clusters", min(s.size, s.valid), v.heap.Count)
	}
	u := cluster.NewUsed(v.heap)
	b := make([]byte, min((need+7)/8*8, 1<<16))
	for done := int64(0); done < need; done += int64(len(b)) {
		clear(b)
		if err := v.read(s, b[:min(need-done, int64(len(b)))], done, "$Bitmap"); err != nil {
			return none, err
		}
		u.Bitmap(done*8, b)
	}
	used := u.Set()
	if lost := v.own.Subtract(used); !lost.Empty() {
		return none, fsmap.Unsafef(kind, "bitmap has clusters of its own metadata, at %d, free: run chkdsk", lost.Ranges()[0].Off)
	}
	return used, nil
}

// bad is the clusters that cannot be used: those that $BadClus has in its
// stream $Bad, which otherwise is one hole as large as the volume.
func (v *volume) bad() (extent.Set, error) {
	s, err := v.attr(recBadClus, typeData, "$Bad")
	if err != nil || s == nil {
		return extent.Set{}, err
	}
	return v.extents(s).Subtract(v.own), nil
}
