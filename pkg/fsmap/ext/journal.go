package ext

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// journal is what the journal has that is newer than what is in place.
type journal struct {
	bitmaps map[uint32][]byte // by group, all copies over each other
}

// maxNewer bounds the memory for bitmaps from the journal, in bytes.
const maxNewer = 64 << 20

// Values of jbd2, which is big-endian.
const (
	jbdMagic                              = 0xC03B3998
	jbdDescriptor, jbdCommit              = 1, 2
	jbdSuper1, jbdSuper2, jbdRevoke       = 3, 4, 5
	jbd64bit, jbdCsum2, jbdCsum3, jbdFast = 0x2, 0x8, 0x10, 0x20
	jbdKnown                              = 0x1 | jbd64bit | 0x4 | jbdCsum2 | jbdCsum3 | jbdFast
	tagEscape, tagSameUUID, tagLast       = 1, 2, 8
)

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// walk is one pass over the journal.
type walk struct {
	v        *Volume
	runs     []Run
	features uint32
	first    uint64 // block of the log behind the journal's superblock
	end      uint64
	places   map[uint64]uint32 // of block bitmaps, to their groups
	descs    map[uint64]uint64 // of descriptor blocks, to their index
	cleared  map[uint32]bool   // groups whose bitmap becomes valid by replay
	out      *journal
	size     int // of the bitmaps in out
}

// readJournal collects the copies of block bitmaps that a replay of the journal
// could put in place. It goes at least as far as the replay would, whatever
// the checksums of transactions say: each state the replay can end in is one
// of the copies, or the bitmap that is in place. Where replay would change more
// than bitmaps and what they count, nothing is certain, and it refuses.
func (v *Volume) readJournal() (*journal, error) {
	refuse := func(format string, args ...any) (*journal, error) {
		return nil, v.unsafe("journal needs recovery: %s", fmt.Sprintf(format, args...))
	}
	if v.Compat&CompatJournal == 0 || v.JournalInode == 0 {
		return refuse("it is not on this volume")
	}
	in, err := v.Inode(v.JournalInode)
	if err != nil {
		return nil, err
	}
	if in.Mode&ModeType != ModeFile || in.Links == 0 || in.Flags&FlagInline != 0 {
		return refuse("inode %d is not a journal", in.Number)
	}
	blocks, err := v.Layout(in)
	if err != nil {
		return nil, err
	}
	w := &walk{v: v, runs: blocks.Data, places: map[uint64]uint32{}, descs: map[uint64]uint64{},
		cleared: map[uint32]bool{}, out: &journal{map[uint32][]byte{}}}
	b, err := w.block(0)
	if err != nil {
		return nil, err
	}
	kind, start, sequence := be32(b[4:]), uint64(be32(b[0x1C:])), be32(b[0x18:])
	w.first, w.end = uint64(be32(b[0x14:])), uint64(be32(b[0x10:]))
	if be32(b) != jbdMagic || kind != jbdSuper1 && kind != jbdSuper2 || int64(be32(b[0xC:])) != v.Block {
		return refuse("its superblock is bad")
	}
	if kind == jbdSuper2 {
		w.features = be32(b[0x28:])
	}
	switch {
	case w.features&^jbdKnown != 0 || kind == jbdSuper2 && be32(b[0x2C:]) != 0:
		return refuse("unknown features %#x", w.features)
	case w.features&jbdFast != 0 || v.Compat&CompatFastCommit != 0:
		return refuse("fast commits may allocate blocks")
	case be32(b[0x20:]) != 0:
		return refuse("it was aborted with error %d", int32(be32(b[0x20:])))
	case start == 0: // nothing was written since it was mounted
		return w.out, nil
	case w.first == 0 || start < w.first || start >= w.end || w.end > in.Size/uint64(v.Block):
		return refuse("it is at %d of %d to %d", start, w.first, w.end)
	}
	for g := range v.Groups {
		w.places[v.Group(g).BlockBitmap] = g
	}
	for i := range v.descBlocks() {
		w.descs[v.descAt(i)] = i
	}
	if err := w.log(start, sequence); err != nil {
		return nil, err
	}
	for g := range w.cleared {
		if w.out.bitmaps[g] == nil {
			return refuse("it has no bitmap for group %d", g)
		}
	}
	return w.out, nil
}

// block reads a block of the journal by its place in it.
func (w *walk) block(logical uint64) ([]byte, error) {
	i := sort.Search(len(w.runs), func(i int) bool { return w.runs[i].Logical+w.runs[i].Count > logical })
	if i == len(w.runs) || w.runs[i].Logical > logical {
		return nil, w.v.unsafe("journal needs recovery: it has a hole at block %d", logical)
	}
	b := make([]byte, w.v.Block)
	if err := readAt(w.v.r, b, int64(w.runs[i].Block+logical-w.runs[i].Logical)*w.v.Block); err != nil {
		return nil, fmt.Errorf("read block %d of the journal: %w", logical, err)
	}
	return b, nil
}

// log goes through the transactions from block at on.
func (w *walk) log(at uint64, sequence uint32) error {
	left := w.end - w.first // blocks until it would meet its own beginning
	next := func(n uint64) error {
		if n > left {
			return w.v.unsafe("journal needs recovery: it has no end")
		}
		left -= n
		if at += n; at >= w.end {
			at -= w.end - w.first
		}
		return nil
	}
	for {
		b, err := w.block(at)
		if err != nil {
			return err
		}
		if be32(b) != jbdMagic || be32(b[8:]) != sequence {
			return nil
		}
		if err := next(1); err != nil {
			return err
		}
		switch be32(b[4:]) {
		case jbdDescriptor:
			err = w.tags(b, func(target uint64, escape bool) error {
				from := at
				if err := next(1); err != nil {
					return err
				}
				return w.copied(from, target, escape)
			})
		case jbdCommit:
			sequence++
		case jbdRevoke:
			// Bitmaps and descriptors are never revoked.
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tags calls f for every block that a descriptor block says follows it.
func (w *walk) tags(b []byte, f func(target uint64, escape bool) error) error {
	size := 8 // bytes of a tag
	switch {
	case w.features&jbdCsum3 != 0:
		size = 16
	case w.features&jbdCsum2 != 0:
		size += 2
		fallthrough
	default:
		if w.features&jbd64bit != 0 {
			size += 4
		}
	}
	end := len(b)
	if w.features&(jbdCsum2|jbdCsum3) != 0 {
		end -= 4
	}
	for at := 12; at+size <= end; {
		tag := b[at : at+size]
		flags := uint32(binary.BigEndian.Uint16(tag[6:]))
		if w.features&jbdCsum3 != 0 {
			flags = be32(tag[4:])
		}
		target := uint64(be32(tag))
		if w.features&jbd64bit != 0 {
			target |= uint64(be32(tag[8:])) << 32
		}
		if err := f(target, flags&tagEscape != 0); err != nil {
			return err
		}
		at += size
		if flags&tagSameUUID == 0 {
			at += 16
		}
		if flags&tagLast != 0 {
			return nil
		}
	}
	return nil
}

// copied looks at a block that replay would write to target.
func (w *walk) copied(from, target uint64, escape bool) error {
	v := w.v
	group, isBitmap := w.places[target]
	index, isDesc := w.descs[target]
	isSuper := target == uint64(superAt/v.Block)
	if !isBitmap && !isDesc && !isSuper {
		return nil
	}
	b, err := w.block(from)
	if err != nil {
		return err
	}
	if escape { // it began with the journal's own magic number
		binary.BigEndian.PutUint32(b, jbdMagic)
	}
	switch {
	case isBitmap:
		return w.bitmap(group, b)
	case isDesc:
		return w.descriptors(index, b)
	}
	return w.super(b[superAt%v.Block:])
}

func (w *walk) bitmap(g uint32, b []byte) error {
	if have := w.out.bitmaps[g]; have != nil {
		or(have, b)
		return nil
	}
	if w.size += len(b); w.size > maxNewer {
		return w.v.unsafe("journal needs recovery: it changes too many groups")
	}
	w.out.bitmaps[g] = b
	return nil
}

// descriptors refuses a copy of descriptors that moves metadata, and notes
// groups that are used for the first time.
func (w *walk) descriptors(index uint64, b []byte) error {
	v := w.v
	for i := range v.descPerBlock() {
		n := index*v.descPerBlock() + i
		if n >= uint64(v.Groups) {
			return nil
		}
		g := uint32(n)
		was, is := v.Group(g), v.decodeGroup(g, b[int64(i)*v.DescSize:][:v.DescSize])
		if was.BlockBitmap != is.BlockBitmap || was.InodeBitmap != is.InodeBitmap || was.InodeTable != is.InodeTable {
			return v.unsafe("journal needs recovery: it moves the metadata of group %d", g)
		}
		if was.Flags&^is.Flags&blockUninit != 0 {
			w.cleared[g] = true
		}
	}
	return nil
}

// super refuses a copy of the superblock that changes the geometry, as after
// growing a filesystem while it was mounted.
func (w *walk) super(b []byte) error {
	for _, field := range []struct{ at, n int }{
		{0x0, 8}, {0x14, 24}, {0x4C, 4}, {0x58, 2}, {0xCE, 2}, {0xFE, 2}, {0x104, 4}, {0x150, 4},
	} {
		if string(b[field.at:field.at+field.n]) != string(w.v.raw[field.at:field.at+field.n]) {
			return w.v.unsafe("journal needs recovery: it changes the superblock at %d", field.at)
		}
	}
	// The rest of the features is set as their first use comes.
	const incompat = incompatMetaBG | incompat64bit | incompatFlexBG | incompatCsumSeed
	const ro = roSparseSuper | roGDTCsum | ROBigalloc | ROMetadataCsum
	if (le32(b[0x60:])^w.v.Incompat)&incompat != 0 || (le32(b[0x64:])^w.v.ROCompat)&ro != 0 {
		return w.v.unsafe("journal needs recovery: it changes the features")
	}
	return nil
}
