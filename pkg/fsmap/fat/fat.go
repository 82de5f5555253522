// Package fat tells which bytes of a FAT12, FAT16 or FAT32 volume are in use.
// It follows "Microsoft Extensible Firmware Initiative FAT32 File System
// Specification" 1.03 (fatgen103).
//
// A cluster is in use when its entry in the FAT is not zero. FAT is also
// written by firmware and by tools that leave no trace of having been cut
// short, and drivers read a file's first cluster without a look at the FAT, so
// the directories are walked too: where one names a cluster that the FAT has
// free, that cluster is kept.
package fat

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

const kind = "vfat"

// Map reads the map of the FAT volume that r holds in its first size bytes.
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
	t := &table{r: r, boot: b}
	if err := t.header(); err != nil {
		return nil, err
	}
	used, bad, err := t.used()
	if err != nil {
		return nil, err
	}
	w := newWalk(t, used)
	if err := w.root(); err != nil {
		return nil, err
	}
	m := &fsmap.Map{
		Kind:    kind,
		Label:   b.label,
		UUID:    b.uuid(),
		Size:    b.size,
		Block:   b.heap.Size,
		Unclean: b.dirty || t.dirty,
	}
	if w.label != "" {
		m.Label = w.label
	}
	if m.Unclean {
		m.Notes = append(m.Notes, "was not unmounted")
	}
	if t.failed {
		m.Notes = append(m.Notes, "its driver met read or write errors")
	}
	if n := w.lost.Len(); n > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("directories name %d bytes of clusters that the FAT has free; they are kept", n))
	}
	if bad = bad.Subtract(w.lost); !bad.Empty() {
		m.Notes = append(m.Notes, fmt.Sprintf("%d bytes of bad clusters are left out", bad.Len()))
	}
	reserved := extent.NewSet(append(b.spare, extent.Range{End: b.heap.Off})...)
	m.Used = reserved.Union(used).Union(w.lost)
	return m, nil
}
