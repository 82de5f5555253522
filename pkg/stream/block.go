package stream

import (
	"sync/atomic"
	"unsafe"
)

// Align is the alignment of blocks in memory and, but for the last block of a
// stream, of their lengths.
const Align = 4096

// MaxHeld is how many blocks a consumer may hold at a time without stopping
// the decoder.
const MaxHeld = 3

// Block is a run of decoded bytes, page-aligned. Its holder owns the bytes
// until Release.
type Block struct {
	Data []byte
	Zero bool // Data is known to be all zeros; false says nothing

	pool *pool
	buf  []byte // aligned
}

// Release gives the memory back to the Reader. Data must not be used after.
func (b *Block) Release() {
	if p := b.pool; p != nil {
		b.pool = nil
		b.Data = nil
		p.put(b.buf)
	}
}

// pool hands out buffers of one size, a fixed number of them, made as they are
// first needed and then used again: once a stream flows nothing is allocated.
// What a buffer never held never becomes resident.
type pool struct {
	size int
	free chan []byte
	made atomic.Int64
	stop <-chan struct{}
}

func newPool(count, size int, stop <-chan struct{}) *pool {
	return &pool{size: size, free: make(chan []byte, count), stop: stop}
}

// get waits for a free buffer and returns it as an empty block; nil once the
// pool has been stopped.
func (p *pool) get() *Block {
	select {
	case buf := <-p.free:
		return p.block(buf)
	default:
	}
	if p.made.Add(1) <= int64(cap(p.free)) {
		return p.block(alignedBytes(p.size))
	}
	p.made.Add(-1)
	select {
	case buf := <-p.free:
		return p.block(buf)
	case <-p.stop:
		return nil
	}
}

func (p *pool) block(buf []byte) *Block {
	return &Block{Data: buf[:0], pool: p, buf: buf}
}

func (p *pool) put(buf []byte) { p.free <- buf }

// trim forgets the buffers that are free now.
func (p *pool) trim() {
	for {
		select {
		case <-p.free:
			p.made.Add(-1)
		default:
			return
		}
	}
}

// alignedBytes returns a slice of n bytes that starts on a page. The Go
// allocator places large objects so by itself; the second try is for when it
// does not.
func alignedBytes(n int) []byte {
	b := make([]byte, n)
	if uintptr(unsafe.Pointer(&b[0]))%Align == 0 {
		return b
	}
	b = make([]byte, n+Align)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) % Align)
	return b[skip : skip+n : skip+n]
}
