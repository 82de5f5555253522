package stream

import (
	"sync"
	"unsafe"
)

// Align is the alignment of blocks in memory and, but for the last block of a
// stream, of their lengths.
const Align = 4096

// Block is a run of decoded bytes, page-aligned. Its holder owns the bytes
// until Release.
type Block struct {
	Data []byte

	pool *pool
	buf  []byte // aligned, cap is what was charged to the pool
}

// Release gives the memory back to the Reader. Data must not be used after.
func (b *Block) Release() {
	if b.pool != nil {
		p := b.pool
		b.pool = nil
		b.Data = nil
		p.put(b.buf)
	}
}

// pool hands out aligned buffers for decoded data and counts the bytes in use
// against a limit. Buffers are kept for reuse.
type pool struct {
	mu     sync.Mutex
	cond   sync.Cond
	limit  int64
	used   int64 // charged: buffers handed out, and charge
	closed bool
	free   [][]byte
	kept   int64 // bytes in free
}

func newPool(limit int64) *pool {
	p := &pool{limit: limit}
	p.cond.L = &p.mu
	return p
}

// get returns a block whose buffer holds at least n bytes, when the limit
// allows; Data is empty. It returns nil once the pool is closed. One buffer is
// always granted, however large.
func (p *pool) get(n int) *Block {
	n = (n + Align - 1) &^ (Align - 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && p.used > 0 && p.used+int64(n) > p.limit {
		p.cond.Wait()
	}
	if p.closed {
		return nil
	}
	buf := p.take(n)
	p.used += int64(cap(buf))
	return &Block{Data: buf[:0], pool: p, buf: buf}
}

// take finds the smallest free buffer that holds n bytes and is not more than
// twice as large, or makes one in place of the free ones that don't fit.
func (p *pool) take(n int) []byte {
	best := -1
	for i, b := range p.free {
		if cap(b) >= n && cap(b) <= 2*n && (best < 0 || cap(b) < cap(p.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		b := p.free[best]
		last := len(p.free) - 1
		p.free[best], p.free[last] = p.free[last], nil
		p.free = p.free[:last]
		p.kept -= int64(cap(b))
		return b
	}
	for len(p.free) > 0 && p.used+p.kept+int64(n) > p.limit {
		last := len(p.free) - 1
		p.kept -= int64(cap(p.free[last]))
		p.free[last] = nil
		p.free = p.free[:last]
	}
	return alignedBytes(n)
}

// put takes a buffer back.
func (p *pool) put(buf []byte) {
	p.mu.Lock()
	p.used -= int64(cap(buf))
	if !p.closed {
		p.free = append(p.free, buf)
		p.kept += int64(cap(buf))
	}
	p.mu.Unlock()
	p.cond.Signal()
}

// close makes every get return nil and forgets the free buffers.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.free, p.kept = nil, 0
	p.mu.Unlock()
	p.cond.Broadcast()
}

// alignedBytes returns a slice of n bytes that starts on a page. The Go
// allocator places large objects so by itself; the copy below is for when it
// does not.
func alignedBytes(n int) []byte {
	b := make([]byte, n)
	if n == 0 || uintptr(unsafe.Pointer(&b[0]))%Align == 0 {
		return b[:n:n]
	}
	b = make([]byte, n+Align)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) % Align)
	return b[skip : skip+n : skip+n]
}

// force is get that never waits. It is for the few blocks that repack others,
// whose number the consumer bounds.
func (p *pool) force(n int) *Block {
	p.mu.Lock()
	defer p.mu.Unlock()
	buf := p.take(n)
	p.used += int64(cap(buf))
	return &Block{Data: buf[:0], pool: p, buf: buf}
}

// trim forgets the free buffers.
func (p *pool) trim() {
	p.mu.Lock()
	p.free, p.kept = nil, 0
	p.mu.Unlock()
}
