package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes and bits of RFC 8878, section 3.1.1.
const (
	zstdMaxHeader  = 18        // magic, descriptor, window, dictionary, content size
	zstdBlockLimit = 128 << 10 // largest decoded block
	zstdUnknown    = ^uint64(0)

	blockRaw        = 0
	blockRLE        = 1
	blockCompressed = 2
)

// zstdHeader is a frame header.
type zstdHeader struct {
	size     int    // bytes of the header itself
	skip     int64  // > 0: a skippable frame of this many bytes after the header; see skippable
	window   uint64 // bytes of history needed
	content  uint64 // decoded size, or zstdUnknown
	checksum bool

	skippable bool
}

// blockLimit is the most that one block of the frame decodes to.
func (h zstdHeader) blockLimit() int { return int(min(h.window, zstdBlockLimit)) }

// parseZstdHeader decodes the header at the start of b, which holds
// zstdMaxHeader bytes unless the stream ends before. A header cut short is
// io.ErrUnexpectedEOF.
func parseZstdHeader(b []byte) (zstdHeader, error) {
	var h zstdHeader
	if len(b) < 4 {
		return h, io.ErrUnexpectedEOF
	}
	magic := binary.LittleEndian.Uint32(b)
	if magic&^0xf == zstdSkippable {
		if len(b) < 8 {
			return h, io.ErrUnexpectedEOF
		}
		h.size, h.skippable = 8, true
		h.skip = int64(binary.LittleEndian.Uint32(b[4:]))
		return h, nil
	}
	if string(b[:4]) != zstdMagic {
		return h, ErrTrailing
	}
	if len(b) < 5 {
		return h, io.ErrUnexpectedEOF
	}
	d := b[4]
	if d&0x08 != 0 {
		return h, errors.New("reserved bit set in frame header")
	}
	single := d&0x20 != 0
	h.checksum = d&0x04 != 0
	dictLen := [4]int{0, 1, 2, 4}[d&3]
	sizeLen := [4]int{0, 2, 4, 8}[d>>6]
	if single && sizeLen == 0 {
		sizeLen = 1
	}
	h.size = 5 + dictLen + sizeLen
	if !single {
		h.size++
	}
	if len(b) < h.size {
		return h, io.ErrUnexpectedEOF
	}
	p := b[5:h.size]
	if !single {
		base := uint64(1) << (10 + p[0]>>3)
		h.window = base + base/8*uint64(p[0]&7)
		p = p[1:]
	}
	var word [8]byte
	copy(word[:], p[:dictLen])
	if id := binary.LittleEndian.Uint32(word[:]); id != 0 {
		return h, fmt.Errorf("needs dictionary %d, dictionaries are not supported", id)
	}
	p = p[dictLen:]
	word = [8]byte{}
	copy(word[:], p)
	h.content = binary.LittleEndian.Uint64(word[:])
	switch sizeLen {
	case 0:
		h.content = zstdUnknown
	case 2:
		h.content += 256
	}
	if single {
		h.window = h.content
	}
	return h, nil
}

// zstdBlock is a block header.
type zstdBlock struct {
	last    bool
	rle     bool
	stored  int // bytes after the block header
	decoded int // bytes it decodes to, at most
}

// parseZstdBlock decodes the three bytes of a block header.
func parseZstdBlock(b []byte, h zstdHeader) (zstdBlock, error) {
	v := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	size := v >> 3
	k := zstdBlock{last: v&1 != 0, stored: size, decoded: size}
	switch v >> 1 & 3 {
	case blockRLE:
		k.stored, k.rle = 1, true
	case blockCompressed:
		k.decoded = h.blockLimit()
	case blockRaw:
	default:
		return k, errors.New("reserved block type")
	}
	if size > h.blockLimit() {
		return k, fmt.Errorf("block of %d bytes, the frame allows %d", size, h.blockLimit())
	}
	return k, nil
}

// zstdFrameReader reads one frame and ends with io.EOF right after it, having
// looked at its block headers only. Blocks that repeat one byte come out as
// raw blocks, which mean the same and pass the decoder twenty times as fast.
type zstdFrameReader struct {
	src    *source
	head   zstdHeader
	prefix []byte // read from src already
	left   int    // bytes of the present chunk still in src
	last   bool   // the present chunk is the last one

	raw  [3]byte // header of a raw block in place of the one in src
	run  int     // bytes of it to be made up
	fill byte    // from this

	tail  bool    // the checksum is still in src
	check [4]byte // the checksum
}

// peek decodes the header of the next block.
func (f *zstdFrameReader) peek() (zstdBlock, error) {
	b, err := f.src.Peek(3)
	if err != nil {
		return zstdBlock{}, noEOF(err)
	}
	return parseZstdBlock(b, f.head)
}

// next sets f to a block that peek has returned.
func (f *zstdFrameReader) next(k zstdBlock) error {
	f.left, f.last = 3+k.stored, k.last
	f.tail = k.last && f.head.checksum
	if !k.rle {
		return nil
	}
	b, err := f.src.Peek(4)
	if err != nil {
		return noEOF(err)
	}
	f.raw = [3]byte{b[0]&1 | byte(k.decoded<<3), byte(k.decoded >> 5), byte(k.decoded >> 13)}
	f.prefix, f.run, f.fill = f.raw[:], k.decoded, b[3]
	f.src.Discard(4)
	f.left = 0
	return nil
}

// pending is how many bytes come before the next block header or the end.
func (f *zstdFrameReader) pending() int {
	n := len(f.prefix) + f.run + f.left
	if f.tail {
		n += len(f.check)
	}
	return n
}

// sum is the checksum that the frame ends with.
func (f *zstdFrameReader) sum() uint32 { return binary.LittleEndian.Uint32(f.check[:]) }

func (f *zstdFrameReader) Read(p []byte) (int, error) {
	if f.pending() == 0 {
		if f.last {
			return 0, io.EOF
		}
		k, err := f.peek()
		if err == nil {
			err = f.next(k)
		}
		if err != nil {
			return 0, err
		}
	}
	switch {
	case len(f.prefix) > 0:
		n := copy(p, f.prefix)
		f.prefix = f.prefix[n:]
		return n, nil
	case f.run > 0:
		p = p[:min(len(p), f.run)]
		repeat(p, f.fill)
		f.run -= len(p)
		return len(p), nil
	case f.left > 0:
		n, err := f.src.Read(p[:min(len(p), f.left)])
		f.left -= n
		return n, noEOF(err)
	}
	b, err := f.src.Peek(len(f.check))
	if err != nil {
		return 0, noEOF(err)
	}
	f.check, f.tail = [4]byte(b), false
	f.src.Discard(len(b))
	f.prefix = f.check[:]
	n := copy(p, f.prefix)
	f.prefix = f.prefix[n:]
	return n, nil
}

// repeat fills p with v.
func repeat(p []byte, v byte) {
	if v == 0 {
		clear(p)
		return
	}
	if len(p) == 0 {
		return
	}
	p[0] = v
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// noEOF turns the end of the stream into an unexpected one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
