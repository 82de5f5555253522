// Package inflate decodes zlib streams (RFC 1950, RFC 1951) that lie wholly
// in memory, fast: the data area of an .ndz chunk is one such stream.
//
// What is accepted is what zlib's inflate accepts: over-subscribed codes are
// refused, and incomplete ones too, but for a single one-bit code of lengths
// or distances and for an empty code of distances that are never used. The
// window that the header announces is not enforced below 32 KiB; zlib does not
// do that either unless the caller gives it a smaller window. Preset
// dictionaries are refused.
//
// The output comes in pieces through a bounded buffer, so that a small stream
// which inflates to gigabytes costs time, never memory.
package inflate

import "io"

const (
	maxDistance = 32 << 10
	maxLength   = 258
	// pieceSize is how much is decoded between two returns of Next. Together
	// with the window it stays in the second-level cache.
	pieceSize = 256 << 10
	// overrun is how far behind the end of a piece the last step may write:
	// literals, one match, and the rounding up of its copy.
	overrun = 8 + maxLength + 2*wide
	// limit is where decoding of a piece stops. The slack behind it spares
	// the decoder all checks of the room left inside a step.
	limit      = maxDistance + pieceSize
	windowSize = limit + overrun
)

// Reader decodes one stream after another. The zero value is a Reader of an
// empty stream; Reset gives it one to decode. A Reader is large (about
// 320 KiB), must not be copied and serves one goroutine at a time.
type Reader struct {
	input []byte // the whole stream
	bits  bitReader

	state  state
	last   bool // the block being decoded is the last one
	stored int  // bytes of a stored block still to come
	err    error

	start int // first byte of the window not yet handed out
	pos   int // end of the window
	sum   adler

	lengths lengthTable
	offsets offsetTable
	builder builder
	fixed   bool // the tables hold the fixed codes

	window [windowSize]byte
}

// state is what the next bits of the input mean.
type state uint8

const (
	atHeader state = iota
	atBlock
	inStored
	inCodes
	atTrailer
	atEnd
)

// Reset starts decoding src, a whole zlib stream. The reader keeps src, which
// must not change, until the next Reset.
func (r *Reader) Reset(src []byte) {
	r.input = src
	r.bits = bitReader{}
	r.bits.seek(src, 0)
	r.state, r.last, r.stored, r.err = atHeader, false, 0, nil
	r.start, r.pos = 0, 0
	r.sum = newAdler()
}

// Next returns the next piece of output, valid until the next call of Next or
// Reset. At the end of the stream, once its checksum has matched, it returns
// io.EOF and nothing else; otherwise the piece is not empty. A broken stream
// gives an *Error, always before the last piece.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.pos >= limit {
		r.pos = copy(r.window[:maxDistance], r.window[r.pos-maxDistance:r.pos])
	}
	r.start = r.pos
	for r.pos < limit && r.state != atEnd {
		r.err = r.step()
		if r.err == nil && r.bits.offset() > len(r.input) {
			r.err = r.fault(Truncated)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	piece := r.window[r.start:r.pos:r.pos]
	if r.state == atEnd && len(piece) == 0 {
		r.err = io.EOF
		return nil, r.err
	}
	if r.state != atEnd {
		r.sum.add(piece)
	}
	return piece, nil
}

// Consumed returns how many bytes of the stream have been used. After io.EOF
// it is the length of the stream: what follows in the input is not part of it.
func (r *Reader) Consumed() int { return min(r.bits.offset(), len(r.input)) }

// step decodes up to the next change of state or the end of the piece.
func (r *Reader) step() error {
	switch r.state {
	case atHeader:
		return r.header()
	case atBlock:
		return r.block()
	case inStored:
		return r.copyStored()
	case inCodes:
		return r.codes()
	case atTrailer:
		return r.trailer()
	}
	return nil
}
