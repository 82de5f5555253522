package imaging

import (
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// edge is how much of the beginning and of the end of a disk and of each old
// partition is cleared: there are the labels of ZFS (4 of 256 KiB), RAID
// superblocks of all versions, LVM labels, LUKS headers and the superblocks of
// most filesystems.
const edge = 1 << 20

// copies are the places, from the beginning of a volume, where filesystems keep
// further superblocks by which tools find them again: those of btrfs, and the
// first backups of ext at its block sizes.
var copies = [...]extent.Range{
	{Off: 64 << 20, End: 64<<20 + 4096},
	{Off: 256 << 30, End: 256<<30 + 4096},
	{Off: 8193 << 10, End: 8194 << 10},
	{Off: 16384 * 2048, End: 16385 * 2048},
	{Off: 32768 * 4096, End: 32769 * 4096},
}

// marks is where a disk may have what makes it, or one of its old partitions,
// look like something: tables, boot loaders, superblocks, RAID and LVM labels,
// with their backups. Partitions come before the disk that holds them.
func (t *target) marks(size int64) extent.Set {
	var s extent.Set
	volume := func(r extent.Range) {
		s.Add(extent.Range{Off: r.Off, End: min(r.Off+edge, r.End)})
		s.Add(extent.Range{Off: max(r.Off, r.End-edge), End: r.End})
		for _, c := range copies {
			s.Add(c.Shift(r.Off).Intersect(r))
		}
	}
	for _, p := range t.parts {
		volume(p.Intersect(extent.Range{End: size}))
	}
	volume(extent.Range{End: size})
	for _, r := range t.old {
		s.Add(extent.Range{Off: r.Offset, End: r.Offset + r.Size}.Intersect(extent.Range{End: size}))
	}
	return s
}

// clear removes all marks of what the disk was, except where the image has
// something of its own: that is written over, or there already. The first
// sector goes first: without it there is no table, whatever else is left.
func (w *write) clear(ctx context.Context) error {
	size := w.dev.Size()
	s := w.target.marks(size)
	for _, h := range w.out.all(w.source.head) {
		s.Add(extent.Range{Off: h.off, End: h.off + int64(len(h.data))}.Intersect(extent.Range{End: size}))
	}
	if w.source.spans != nil {
		keep := w.source.used.Clone()
		for _, h := range w.out.all(w.source.head) {
			keep.Remove(extent.Range{Off: h.off, End: h.off + int64(len(h.data))})
		}
		s = s.Subtract(keep)
	}
	first := extent.Range{End: min(int64(w.dev.SectorSize()), size)}
	if err := w.clearRange(ctx, first); err != nil {
		return err
	}
	if err := w.dev.Sync(); err != nil {
		return err
	}
	for r := range s.All() {
		if err := w.clearRange(ctx, r); err != nil {
			return err
		}
	}
	return w.dev.Sync()
}

func (w *write) clearRange(ctx context.Context, r extent.Range) error {
	if err := w.dev.Zero(ctx, r.Off, r.Len()); err != nil {
		return fmt.Errorf("clear the old partition table and signatures: %w", err)
	}
	return nil
}
