package inflate

import "encoding/binary"

const (
	// reach is how many bytes of input one step of the decoder may load: two
	// loads of eight, the second up to seven bytes further on.
	reach = 16
	// padding follows the last bytes of the input in their copy, so that the
	// end needs no slower decoder. Bits taken from it are found afterwards.
	padding = 2 * reach
)

// bitReader takes bits from bytes, the lowest bit of each first (RFC 1951,
// section 3.1.1).
type bitReader struct {
	src    []byte // the input, or the padded copy of its end
	base   int    // where src starts in the input
	in     int    // next byte of src to load
	padded bool
	// buf holds count bits that are due. Above them it may hold some of the
	// bits that the next load brings again, hence loads are or-ed in.
	buf   uint64
	count uint
	tail  [reach + padding]byte
}

// seek continues at a byte of the input, dropping what is buffered.
func (b *bitReader) seek(input []byte, offset int) {
	b.src, b.base, b.in, b.padded = input, 0, offset, false
	b.buf, b.count = 0, 0
}

// offset is the byte of the input that holds the next bit, or the one after it
// if that has been used in part.
func (b *bitReader) offset() int { return b.base + b.in - int(b.count/8) }

// reserve makes sure that a step of the decoder finds enough bytes to load,
// near the end of the input by moving to the padded copy. It fails when that
// is used up, too.
func (b *bitReader) reserve() bool {
	if len(b.src)-b.in >= reach {
		return true
	}
	if b.padded {
		return false
	}
	n := copy(b.tail[:], b.src[b.in:])
	clear(b.tail[n:])
	b.src, b.base, b.in, b.padded = b.tail[:], b.in, 0, true
	return true
}

// refill makes at least 56 bits available; those behind the end of the input
// are zero. It fails when the input has been overrun by far.
func (b *bitReader) refill() bool {
	if !b.reserve() {
		return false
	}
	b.buf |= binary.LittleEndian.Uint64(b.src[b.in:]) << (b.count & 63)
	b.in += int(63-b.count) >> 3
	b.count |= 56
	return true
}

// take removes n bits, at most as many as the last refill left.
func (b *bitReader) take(n uint) int {
	v := b.buf & (1<<(n&63) - 1)
	b.buf >>= n & 63
	b.count -= n
	return int(v)
}
