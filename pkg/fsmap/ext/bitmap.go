package ext

import (
	"encoding/binary"
	"math/bits"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// maxRanges bounds the memory of a map. Where a filesystem is in more pieces,
// its smallest gaps count as used.
const maxRanges = 1 << 20

// builder puts the used ranges together in ascending order.
type builder struct {
	used  extent.Set
	limit int
	gap   int64 // gaps up to this are filled
}

func (b *builder) add(r extent.Range) {
	if end := b.used.End(); r.Off > end && r.Off-end <= b.gap {
		r.Off = end
	}
	b.used.Add(r)
	if b.used.Count() <= b.limit {
		return
	}
	for b.used.Count() > b.limit/2 {
		b.gap = max(b.gap*2, 4096)
		var coarse extent.Set
		for r := range b.used.All() {
			if end := coarse.End(); r.Off-end <= b.gap {
				r.Off = min(r.Off, end)
			}
			coarse.Add(r)
		}
		b.used = coarse
	}
}

// bitmap adds the set ones of the first n bits, each of which stands for unit
// bytes from off on, and gives the number of those that are not set. Words that
// are all ones or all zeros cost next to nothing.
func (b *builder) bitmap(p []byte, n uint64, off, unit int64) (free uint64) {
	open := int64(-1)
	flip := func(at uint64) {
		if open < 0 {
			open = int64(at)
			return
		}
		b.add(extent.Range{Off: off + open*unit, End: off + int64(at)*unit})
		open = -1
	}
	for i := uint64(0); i < n; i += 64 {
		w, valid := word(p[i/8:]), ^uint64(0)
		if n-i < 64 {
			valid = 1<<(n-i) - 1
			w &= valid
		}
		free += uint64(bits.OnesCount64(valid &^ w))
		if open >= 0 {
			w = ^w // look for the end of the run
		}
		for at := uint64(0); w != 0; {
			at = uint64(bits.TrailingZeros64(w))
			flip(i + at)
			w = ^w &^ (1<<at - 1)
		}
	}
	if open >= 0 {
		flip(n)
	}
	return free
}

// word is the next 64 bits, or as many as there are.
func word(p []byte) uint64 {
	if len(p) >= 8 {
		return binary.LittleEndian.Uint64(p)
	}
	var last [8]byte
	copy(last[:], p)
	return binary.LittleEndian.Uint64(last[:])
}

// setBits sets n bits from bit at on.
func setBits(p []byte, at, n uint64) {
	for ; n > 0; at, n = at+1, n-1 {
		p[at/8] |= 1 << (at % 8)
	}
}

// or adds the bits of q to p.
func or(p, q []byte) {
	for i := range p {
		p[i] |= q[i]
	}
}
