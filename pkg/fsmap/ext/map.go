package ext

import (
	"fmt"
	"io"
	"math"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// readAhead is how much of adjoining bitmaps is read at once, in bytes.
const readAhead = 1 << 20

// Map tells which blocks of an ext2, ext3 or ext4 filesystem are in use, on a
// volume of size bytes. All metadata is part of the map, and so is the boot
// area. A volume without such a superblock gives fsmap.ErrUnknown, one whose
// bitmaps cannot be trusted an *fsmap.UnsafeError.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	v, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	m := &fsmap.Map{Kind: v.Kind, Label: v.Label, UUID: v.UUID, Size: int64(v.Blocks) * v.Block, Block: v.Block * int64(v.Ratio)}
	if v.State&^stateOK != 0 {
		return nil, v.unsafe("it is marked as having errors (state %#x)", v.State)
	}
	if v.State&stateOK == 0 {
		return nil, v.unsafe("it was not unmounted, and has no journal to repair it")
	}
	newer := &journal{}
	if v.Incompat&IncompatRecover != 0 {
		if newer, err = v.readJournal(); err != nil {
			return nil, err
		}
		m.Unclean = true
		m.Notes = append(m.Notes, fmt.Sprintf("the journal is to be replayed, and changes %d block groups", len(newer.bitmaps)))
	}
	if v.LastOrphan != 0 || v.ROCompat&ROOrphanPresent != 0 {
		m.Notes = append(m.Notes, "files that were deleted while open are still to be freed")
	}
	if err := v.checkMMP(); err != nil {
		return nil, err
	}
	m.Used, err = v.used(newer)
	return m, err
}

// used is the map, by what the bitmaps say and by what the journal adds.
func (v *Volume) used(newer *journal) (extent.Set, error) {
	b := &builder{limit: maxRanges}
	b.add(extent.Range{Off: 0, End: superAt}) // the boot area
	buf := make([]byte, max(readAhead, v.Block))
	for g := uint32(0); g < v.Groups; {
		at, n := v.Group(g).BlockBitmap, uint32(1)
		for g+n < v.Groups && int64(n+1)*v.Block <= int64(len(buf)) && v.Group(g+n).BlockBitmap == at+uint64(n) {
			n++
		}
		part := buf[:int64(n)*v.Block]
		if err := readAt(v.r, part, int64(at)*v.Block); err != nil {
			return extent.Set{}, fmt.Errorf("read block bitmaps at block %d: %w", at, err)
		}
		for i := range n {
			if err := v.usedIn(b, g+i, part[int64(i)*v.Block:][:v.Block], newer.bitmaps[g+i]); err != nil {
				return extent.Set{}, err
			}
		}
		g += n
	}
	end := int64(v.Blocks) * v.Block // in the midst of the last cluster, perhaps
	b.used.Remove(extent.Range{Off: end, End: math.MaxInt64})
	return b.used, v.checkMetadata(b.used)
}

// usedIn adds what group g uses by its bitmap, as it is on the disk, and by the
// copies of it in the journal, if there are any.
func (v *Volume) usedIn(b *builder, g uint32, bitmap, newer []byte) error {
	x := v.Group(g)
	if x.Flags&blockUninit != 0 {
		clear(bitmap)
		v.initial(x, bitmap)
	} else if newer == nil {
		if err := v.checkBitmap(x, bitmap); err != nil {
			return err
		}
	}
	if newer != nil {
		or(bitmap, newer)
	}
	clusters := (v.Len(g) + v.Ratio - 1) / v.Ratio
	free := b.bitmap(bitmap, clusters, int64(v.First(g))*v.Block, v.Block*int64(v.Ratio))
	// Where the journal has a newer bitmap, the count is yet to come too.
	if newer == nil && free != x.Free {
		return v.unsafe("group %d has %d free clusters, and its descriptor says %d", g, free, x.Free)
	}
	return nil
}

// checkBitmap verifies the checksum of a group's block bitmap.
func (v *Volume) checkBitmap(x Group, bitmap []byte) error {
	if !v.HasCsum() {
		return nil
	}
	got := crc32c(v.seed, bitmap[:v.ClustersPerGroup/8])
	if !v.has64() {
		got &= 0xFFFF
	}
	if got != x.bitmapCsum {
		return v.unsafe("block bitmap of group %d has checksum %08x, should be %08x", x.Index, x.bitmapCsum, got)
	}
	return nil
}

// initial is the bitmap of a group that nothing was ever allocated in: its
// copies of superblock and descriptors, and what of its own bitmaps and inode
// table lies in it.
func (v *Volume) initial(x Group, bitmap []byte) {
	first, end := v.First(x.Index), v.First(x.Index)+v.Len(x.Index)
	used, reserved := v.descIn(x.Index)
	mark := func(at, n uint64) {
		from, to := max(at, first), min(at+n, end)
		if from < to {
			from, to = (from-first)/v.Ratio, (to-first+v.Ratio-1)/v.Ratio
			setBits(bitmap, from, to-from)
		}
	}
	mark(first, v.superBlocks(x.Index)+used+reserved)
	mark(x.BlockBitmap, 1)
	mark(x.InodeBitmap, 1)
	mark(x.InodeTable, v.itableBlocks())
}

// checkMetadata refuses a map that leaves out metadata, and metadata that lies
// over each other: the bitmaps of such a filesystem mean nothing.
func (v *Volume) checkMetadata(used extent.Set) error {
	meta, total := v.metadata()
	if meta.Len() != total {
		return v.unsafe("%d bytes of its metadata overlap", total-meta.Len())
	}
	if lost := meta.Subtract(used); !lost.Empty() {
		return v.unsafe("%d bytes of its metadata are marked as free, the first at %d", lost.Len(), lost.Ranges()[0].Off)
	}
	return nil
}

// metadata is where superblocks, descriptors, bitmaps and inode tables are, and
// the sum of their sizes in bytes.
func (v *Volume) metadata() (all extent.Set, total int64) {
	var places []extent.Range
	add := func(at, n uint64) {
		r := v.bytes(at, n)
		total += r.Len()
		// With flex_bg each kind follows its like in the group before.
		for i := len(places) - 1; i >= max(0, len(places)-4); i-- {
			if places[i].End == r.Off {
				places[i].End = r.End
				return
			}
		}
		places = append(places, r)
	}
	for g := range v.Groups {
		x := v.Group(g)
		desc, _ := v.descIn(g)
		if n := v.superBlocks(g) + desc; n > 0 {
			add(v.First(g), n)
		}
		add(x.BlockBitmap, 1)
		add(x.InodeBitmap, 1)
		add(x.InodeTable, v.itableBlocks())
	}
	return extent.NewSet(places...), total
}

// checkMMP refuses a filesystem that another machine checks at this moment.
func (v *Volume) checkMMP() error {
	if v.Incompat&incompatMMP == 0 {
		return nil
	}
	if v.mmpBlock <= v.FirstData || v.mmpBlock >= v.Blocks {
		return v.unsafe("multiple mount protection at block %d", v.mmpBlock)
	}
	var b [8]byte
	if err := readAt(v.r, b[:], int64(v.mmpBlock)*v.Block); err != nil {
		return fmt.Errorf("read multiple mount protection at block %d: %w", v.mmpBlock, err)
	}
	const mark, checking = 0x004D4D50, 0xE24D4D50
	if le32(b[:]) != mark {
		return v.unsafe("block %d is not its multiple mount protection", v.mmpBlock)
	}
	if le32(b[4:]) == checking {
		return v.unsafe("it is being checked, perhaps by another machine")
	}
	return nil
}
