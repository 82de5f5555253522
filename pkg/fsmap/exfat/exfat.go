// Package exfat tells which bytes of an exFAT volume are in use, by its
// allocation bitmap. It follows Microsoft's "exFAT file system specification",
// revision 1.00.
package exfat

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

const kind = "exfat"

// Map reads the map of the exFAT volume that r holds in its first size bytes.
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
	case b.dirty:
		return nil, fsmap.Unsafef(kind, "volume is dirty, its bitmap may lag behind: run fsck")
	}
	v := &volume{r: r, boot: b}
	d, err := v.root()
	if err != nil {
		return nil, err
	}
	used, err := v.used(d)
	if err != nil {
		return nil, err
	}
	m := &fsmap.Map{
		Kind:  kind,
		Label: d.label,
		Size:  b.size,
		Block: b.heap.Size,
		Used:  extent.NewSet(extent.Range{End: b.heap.Off}).Union(used),
	}
	if b.serial != 0 {
		m.UUID = fmt.Sprintf("%04X-%04X", b.serial>>16, b.serial&0xffff)
	}
	if b.failed {
		m.Notes = append(m.Notes, "its driver met read or write errors")
	}
	return m, nil
}

// used is the clusters whose bits are set in any of the bitmaps: a volume with
// two of them keeps the one of the last transaction and that of the next.
func (v *volume) used(d *directory) (extent.Set, error) {
	var all extent.Set
	need := (v.heap.Count + 7) / 8
	for _, f := range d.bitmaps {
		if f.size < need {
			return all, fsmap.Unsafef(kind, "bitmap of %d bytes for %d clusters", f.size, v.heap.Count)
		}
		at, err := v.contiguous(f)
		if err != nil {
			return all, err
		}
		u := cluster.NewUsed(v.heap)
		b := make([]byte, min((need+7)/8*8, 1<<16))
		for done := int64(0); done < need; done += int64(len(b)) {
			n := min(need-done, int64(len(b)))
			clear(b)
			if err := cluster.Read(v.r, b[:n], at.Off+done, "allocation bitmap"); err != nil {
				return all, err
			}
			u.Bitmap(done*8, b)
		}
		all = all.Union(u.Set())
	}
	for _, own := range d.own {
		if !all.Contains(own) {
			return all, fsmap.Unsafef(kind, "bitmap has clusters of its own metadata, at %d, free: run fsck", own.Off)
		}
	}
	return all, nil
}
