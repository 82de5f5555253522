package xfs

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	readAhead = 1 << 20 // bytes of one level of a tree to be read at a time
	maxTree   = 1 << 20 // blocks of one group's tree that are remembered
	null      = 0xffffffff
)

// freeTree walks one group's tree of free extents, sorted by block. Every block
// of the tree has to go on where the one before ended, so that a tree that is
// bent into a ring, or has a branch twice, is found out at once.
type freeTree struct {
	*group
	r      io.ReaderAt
	emit   func(extent.Range)
	end    int64 // of the last free extent, -1 before the first
	total  int64
	most   uint32
	blocks []uint32          // of the tree itself
	before [maxLevels]uint32 // the block visited last on each level
	after  [maxLevels]uint32 // the block that it says is next
}

// walkFree gives the free extents of a group in ascending order to emit, and
// gives the blocks that the tree itself takes. What it finds and what the
// headers say has to agree.
func walkFree(r io.ReaderAt, g *group, emit func(extent.Range)) ([]uint32, error) {
	t := &freeTree{group: g, r: r, emit: emit, end: -1}
	for i := range t.before {
		t.before[i], t.after[i] = null, g.root
	}
	if err := t.visit([]uint32{g.root}, nil, int(g.levels)-1); err != nil {
		return nil, err
	}
	for _, next := range t.after[:g.levels] {
		if next != null {
			return nil, unsafe("group %d: the tree of free space goes on where it ends", g.number)
		}
	}
	if t.total != int64(g.free) || t.most != g.longest {
		return nil, unsafe("group %d has %d blocks free, %d of them in a piece, and its header says %d and %d",
			g.number, t.total, t.most, g.free, g.longest)
	}
	return t.blocks, nil
}

// visit reads some neighbours on one level of the tree, each of which must
// begin with its key, if there are keys.
func (t *freeTree) visit(blocks, keys []uint32, level int) error {
	window := int(max(readAhead/t.Block, 1))
	for i := 0; i < len(blocks); i += window {
		some := blocks[i:min(i+window, len(blocks))]
		data, err := t.read(some)
		if err != nil {
			return err
		}
		for j, n := range some {
			key := int64(-1)
			if keys != nil {
				key = int64(keys[i+j])
			}
			if err := t.node(n, data[j], key, level); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads blocks of the tree: at once, if they are near each other.
func (t *freeTree) read(blocks []uint32) ([][]byte, error) {
	for _, n := range blocks {
		if !t.holds(n) {
			return nil, unsafe("group %d: the tree of free space is said to be in block %d", t.number, n)
		}
	}
	if t.blocks = append(t.blocks, blocks...); len(t.blocks) > maxTree {
		return nil, unsafe("group %d: the tree of free space has too many blocks", t.number)
	}
	data := make([][]byte, len(blocks))
	first, last := slices.Min(blocks), slices.Max(blocks)
	if int64(last-first+1)*t.Block <= max(2*readAhead, t.Block) {
		b := make([]byte, int64(last-first+1)*t.Block)
		if err := readAt(t.r, b, t.bytes(first, 1).Off, "free space tree"); err != nil {
			return nil, err
		}
		for i, n := range blocks {
			data[i] = b[int64(n-first)*t.Block:][:t.Block]
		}
		return data, nil
	}
	for i, n := range blocks {
		data[i] = make([]byte, t.Block)
		if err := readAt(t.r, data[i], t.bytes(n, 1).Off, "free space tree"); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// node reads one block of the tree and what is below it. Behind the header a
// leaf has extents (block, count), a node has as many keys of the same shape,
// and behind the room for all keys the blocks with the children.
func (t *freeTree) node(n uint32, b []byte, key int64, level int) error {
	be := binary.BigEndian
	magic, head := "ABTB", 16
	if t.Version == 5 {
		magic, head = "AB3B", 56
	}
	count := int(be.Uint16(b[6:]))
	room := (len(b) - head) / 8
	if level > 0 {
		room = (len(b) - head) / 12
	}
	isRoot := level == int(t.levels)-1
	switch {
	case string(b[:4]) != magic:
		return t.bad(n, "is none")
	case t.Version == 5 && (int64(be.Uint64(b[16:]))*512 != t.bytes(n, 1).Off || int64(be.Uint32(b[48:])) != t.number || [16]byte(b[32:]) != t.Owner):
		return t.bad(n, "belongs elsewhere")
	case t.Version == 5 && !SumOK(b, 52):
		return t.bad(n, "has a wrong checksum")
	case int(be.Uint16(b[4:])) != level:
		return t.bad(n, "is on another level")
	case count > room || count == 0 && !(isRoot && level == 0):
		return t.bad(n, "has an impossible number of entries")
	case be.Uint32(b[8:]) != t.before[level] || t.after[level] != n && t.before[level] != null:
		return t.bad(n, "is not where its neighbours are")
	}
	t.before[level], t.after[level] = n, be.Uint32(b[12:])
	entries := b[head:]
	if count > 0 && key >= 0 && int64(be.Uint32(entries)) != key {
		return t.bad(n, "does not begin where its parent says")
	}
	if level == 0 {
		return t.leaf(n, entries[:8*count])
	}
	keys, blocks := make([]uint32, count), make([]uint32, count)
	for i := range count {
		keys[i] = be.Uint32(entries[8*i:])
		blocks[i] = be.Uint32(entries[8*room+4*i:])
	}
	return t.visit(blocks, keys, level-1)
}

// leaf takes in the extents of a leaf. Two that touch would have been one.
func (t *freeTree) leaf(n uint32, entries []byte) error {
	for ; len(entries) > 0; entries = entries[8:] {
		start, count := binary.BigEndian.Uint32(entries), binary.BigEndian.Uint32(entries[4:])
		end := int64(start) + int64(count)
		if int64(start) <= t.end || count == 0 || end > t.length || !t.holds(start) {
			return t.bad(n, "has an impossible extent")
		}
		t.end = end
		t.total += int64(count)
		t.most = max(t.most, count)
		t.emit(t.bytes(start, count))
	}
	return nil
}

func (t *freeTree) bad(n uint32, what string) error {
	return unsafe("group %d: block %d of the free space tree %s", t.number, n, what)
}
