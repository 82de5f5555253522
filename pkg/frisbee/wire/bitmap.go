package wire

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// Bitmap is a set of blocks of one chunk. Bit b is bit b%64 of word b/64, which
// is the order of the wire when the words are little-endian. Blocks outside of
// 0 to MaxBlocks-1 are in no set: adding one does nothing.
type Bitmap [MaxBlocks / 64]uint64

// span tells the words and masks of n blocks from first on, clipped.
func span(first, n int) (lo, hi int, head, tail uint64, ok bool) {
	if n > 0 && first < 0 {
		first, n = 0, n+first
	}
	if n <= 0 || first >= MaxBlocks {
		return 0, 0, 0, 0, false
	}
	end := first + min(n, MaxBlocks-first)
	return first / 64, (end - 1) / 64, ^uint64(0) << (first % 64), ^uint64(0) >> (63 - (end-1)%64), true
}

// Has tells whether block b is in the set.
func (m *Bitmap) Has(b int) bool { return uint(b) < MaxBlocks && m[b/64]>>(b%64)&1 != 0 }

// Set adds block b.
func (m *Bitmap) Set(b int) {
	if uint(b) < MaxBlocks {
		m[b/64] |= 1 << (b % 64)
	}
}

// Clear takes block b out.
func (m *Bitmap) Clear(b int) {
	if uint(b) < MaxBlocks {
		m[b/64] &^= 1 << (b % 64)
	}
}

// SetRange adds n blocks from first on.
func (m *Bitmap) SetRange(first, n int) {
	lo, hi, head, tail, ok := span(first, n)
	if !ok {
		return
	}
	for i := lo; i <= hi; i++ {
		mask := ^uint64(0)
		if i == lo {
			mask = head
		}
		if i == hi {
			mask &= tail
		}
		m[i] |= mask
	}
}

// ClearRange takes n blocks from first on out.
func (m *Bitmap) ClearRange(first, n int) {
	var o Bitmap
	o.SetRange(first, n)
	m.AndNot(&o)
}

// Or adds all blocks of o.
func (m *Bitmap) Or(o *Bitmap) {
	for i, w := range o {
		m[i] |= w
	}
}

// AndNot takes all blocks of o out.
func (m *Bitmap) AndNot(o *Bitmap) {
	for i, w := range o {
		m[i] &^= w
	}
}

// Meets tells whether the two sets have a block in common.
func (m *Bitmap) Meets(o *Bitmap) bool {
	var all uint64
	for i, w := range o {
		all |= m[i] & w
	}
	return all != 0
}

// Empty tells whether no block is in the set.
func (m *Bitmap) Empty() bool { return *m == Bitmap{} }

// Count is the number of blocks in the set.
func (m *Bitmap) Count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// Run is the first unbroken run of blocks at or after from, and its length,
// which is 0 where there is none.
func (m *Bitmap) Run(from int) (first, n int) {
	first = m.next(from, 0)
	return first, m.next(first, ^uint64(0)) - first
}

// next is the first block at or after from that is in the set, or with a flip
// of all ones, that is not; MaxBlocks if there is none.
func (m *Bitmap) next(from int, flip uint64) int {
	from = max(from, 0)
	if from >= MaxBlocks {
		return MaxBlocks
	}
	mask := ^uint64(0) << (from % 64)
	for i := from / 64; i < len(m); i++ {
		if w := (m[i] ^ flip) & mask; w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
		mask = ^uint64(0)
	}
	return MaxBlocks
}

// Runs gives the unbroken runs of blocks, ascending: first block and length.
func (m *Bitmap) Runs() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for first, n := m.Run(0); n > 0; first, n = m.Run(first + n) {
			if !yield(first, n) {
				return
			}
		}
	}
}

// append adds the set as a packet has it, size bytes long.
func (m *Bitmap) append(dst []byte, size int) []byte {
	for _, w := range m[:size/8] {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// load reads the set out of a packet. b is a whole number of words, at most
// those of the set.
func (m *Bitmap) load(b []byte) {
	*m = Bitmap{}
	for i := range len(b) / 8 {
		m[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
}
