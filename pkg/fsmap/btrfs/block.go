package btrfs

import (
	"cmp"
	"encoding/binary"
	"math"
)

// Sizes of a tree block's parts.
const (
	headSize = 101 // before the items or pointers
	itemSize = 25  // key, offset and size of the data
	linkSize = 33  // key, address, generation
	keySize  = 17
	maxLevel = 7
)

// Trees, by the object id of their root.
const (
	rootTree   = 1
	extentTree = 2
	chunkTree  = 3
	groupTree  = 11
	logTree    = math.MaxUint64 - 5 // -6
)

// Types of items.
const (
	extentData       = 108
	rootItem         = 132
	extentItem       = 168
	metadataItem     = 169
	extentOwnerRef   = 172
	treeBlockRef     = 176
	extentDataRef    = 178
	sharedBlockRef   = 182
	sharedDataRef    = 184
	blockGroupItem   = 192
	devItem          = 216
	chunkItem        = 228
	devItems         = 1   // object of device items
	firstChunkObject = 256 // object of chunk items
)

// key orders the items of a tree.
type key struct {
	object uint64
	kind   byte
	offset uint64
}

var lastKey = key{math.MaxUint64, math.MaxUint8, math.MaxUint64}

func parseKey(b []byte) key {
	return key{binary.LittleEndian.Uint64(b), b[8], binary.LittleEndian.Uint64(b[9:])}
}

func (k key) less(l key) bool {
	return cmp.Or(cmp.Compare(k.object, l.object), cmp.Compare(k.kind, l.kind), cmp.Compare(k.offset, l.offset)) < 0
}

// ptr is where a tree block is to be and what it is to be.
type ptr struct {
	at         int64 // logical
	generation uint64
	level      byte
	owner      uint64
	first      key // its first key, unless it is a root
	limit      key // all its keys come before
	root       bool
}

// block is a verified tree block.
type block []byte

func (b block) count() int   { return int(binary.LittleEndian.Uint32(b[0x60:])) }
func (b block) level() byte  { return b[0x64] }
func (b block) owner() int64 { return int64(binary.LittleEndian.Uint64(b[0x58:])) }

// unit is the length of an item's header, or a pointer.
func (b block) unit() int {
	if b.level() == 0 {
		return itemSize
	}
	return linkSize
}

// key is not worth inlining, which would make the package a tenth larger.
//
//go:noinline
func (b block) key(i int) key { return parseKey(b[headSize+i*b.unit():]) }

// data is the content of a leaf's item.
func (b block) data(i int) []byte {
	at := headSize + i*itemSize + keySize
	off, size := binary.LittleEndian.Uint32(b[at:]), binary.LittleEndian.Uint32(b[at+4:])
	return b[headSize+off:][:size:size]
}

// child is the pointer i of a node that p led to.
func (b block) child(i int, p ptr) (ptr, error) {
	at := headSize + i*linkSize + keySize
	c := ptr{
		generation: binary.LittleEndian.Uint64(b[at+8:]),
		level:      b.level() - 1,
		owner:      p.owner,
		first:      b.key(i),
		limit:      p.limit,
	}
	if i+1 < b.count() {
		c.limit = b.key(i + 1)
	}
	addr := binary.LittleEndian.Uint64(b[at:])
	if addr > math.MaxInt64 || c.generation > p.generation {
		return c, unsafef("tree block at %d has a pointer to %d, generation %d", p.at, addr, c.generation)
	}
	c.at = int64(addr)
	return c, nil
}

// verify tells whether raw is what p says, and sound.
func (s *super) verify(raw []byte, p ptr) (block, error) {
	b := block(raw)
	if what := b.trouble(p, s); what != "" {
		return nil, unsafef("tree block at %d, of tree %d: %s", p.at, int64(p.owner), what)
	}
	return b, nil
}

// trouble says what is wrong with a block that should be what p says.
func (b block) trouble(p ptr, s *super) string {
	le := binary.LittleEndian
	switch {
	case !s.sum.good(b):
		return "wrong checksum"
	case [16]byte(b[0x20:0x30]) != s.fsid:
		return "of another filesystem"
	case le.Uint64(b[0x30:]) != uint64(p.at):
		return "of another address"
	case le.Uint64(b[0x50:]) != p.generation:
		return "of another generation"
	case b.level() != p.level:
		return "of another level"
	case b.owner() != int64(p.owner):
		return "of another tree"
	}
	n := le.Uint32(b[0x60:])
	if n == 0 && p.root && p.level == 0 {
		return ""
	}
	if n == 0 || n > uint32((len(b)-headSize)/b.unit()) {
		return "impossible number of items"
	}
	if !p.root && b.key(0) != p.first {
		return "does not begin as its parent says"
	}
	for i := 1; i < int(n); i++ {
		if !b.key(i - 1).less(b.key(i)) {
			return "not in order"
		}
	}
	if !b.key(int(n) - 1).less(p.limit) {
		return "overlaps the next"
	}
	if p.level > 0 {
		return ""
	}
	// Data lies from the end towards the items, without gaps.
	end := uint32(len(b) - headSize)
	for i := range int(n) {
		at := headSize + i*itemSize + keySize
		off, size := le.Uint32(b[at:]), le.Uint32(b[at+4:])
		if off > end || size != end-off || off < n*itemSize {
			return "items not where they should be"
		}
		end = off
	}
	return ""
}
