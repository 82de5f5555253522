package imaging

import (
	"cmp"
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

// superblock is where the second half of the superblock of ext begins, the
// only one in the head that is neither in the first sector nor has a checksum.
const superblock = 1536

// clear removes all marks of what the disk was, except where the image has
// something of its own: that is written over, or there already. The first
// sector goes first: without it there is no table, whatever else is left. Then
// go the superblocks, before what they speak of. What cannot be cleared does
// not keep the rest from it.
func (w *write) clear(ctx context.Context) error {
	size := w.dev.Size()
	s := w.target.marks(size)
	for _, h := range w.out.all(w.source.head) {
		s.Add(extent.Range{Off: h.off, End: h.off + int64(len(h.data))}.Intersect(extent.Range{End: size}))
	}
	if w.source.anyOrder() {
		keep := w.source.used.Clone()
		for _, h := range w.out.all(w.source.head) {
			keep.Remove(extent.Range{Off: h.off, End: h.off + int64(len(h.data))})
		}
		s = s.Subtract(keep)
	}
	first := min(int64(w.dev.SectorSize()), size)
	second := min(max(first, superblock), size)
	s.Remove(extent.Range{End: second})
	var failed error
	for _, step := range [][]extent.Range{{{End: first}}, {{Off: first, End: second}}, s.Ranges()} {
		for _, r := range step {
			failed = cmp.Or(failed, w.clearRange(ctx, r))
		}
		failed = cmp.Or(failed, w.dev.Sync())
	}
	return failed
}

func (w *write) clearRange(ctx context.Context, r extent.Range) error {
	if err := w.dev.Zero(ctx, r.Off, r.Len()); err != nil {
		return fmt.Errorf("clear the old partition table and signatures: %w", err)
	}
	return nil
}
