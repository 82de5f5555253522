package wire

import (
	"fmt"
	"math"
)

// Layout is the file of a session, in blocks. Its methods check what packets
// say of it.
type Layout struct {
	Geometry Geometry
	Blocks   int64 // the last one may be short
}

// SizeError reports a file that the protocol cannot carry.
type SizeError struct {
	Bytes uint64
	Max   uint64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("carry a file by frisbee: it has %d bytes, and 1 to %d can be numbered", e.Bytes, e.Max)
}

// GeometryError reports a server that cuts files otherwise.
type GeometryError struct {
	ChunkBlocks, BlockSize int32 // of the server
	Want                   Geometry
}

func (e *GeometryError) Error() string {
	return fmt.Sprintf("join: the server has chunks of %d blocks of %d bytes, not %d of %d",
		e.ChunkBlocks, e.BlockSize, e.Want.Blocks(), e.Want.BlockSize())
}

// NewLayout is that of a file of so many bytes, or a *SizeError.
func NewLayout(g Geometry, bytes uint64) (Layout, error) {
	size := uint64(g.BlockSize())
	if most := math.MaxInt32 * size; bytes == 0 || bytes > most {
		return Layout{}, &SizeError{bytes, most}
	}
	return Layout{g, int64((bytes + size - 1) / size)}, nil
}

// Layout is that of the file, or a *SizeError.
func (m JoinReply) Layout(g Geometry) (Layout, error) {
	return NewLayout(g, uint64(max(m.Blocks, 0))*uint64(g.BlockSize()))
}

// Layout is that of the file, or a *SizeError or a *GeometryError.
func (m Join2Reply) Layout(g Geometry) (Layout, error) {
	if int64(m.ChunkBlocks) != int64(g.Blocks()) || int64(m.BlockSize) != int64(g.BlockSize()) {
		return Layout{}, &GeometryError{m.ChunkBlocks, m.BlockSize, g}
	}
	return NewLayout(g, m.Bytes)
}

// Chunks is the number of chunks, a short last one included.
func (l Layout) Chunks() int64 {
	n := int64(l.Geometry.Blocks())
	return (l.Blocks + n - 1) / n
}

// Len is how many blocks a chunk has: fewer in a short last one, none in one
// that is outside of the file.
func (l Layout) Len(chunk int32) int {
	n := int64(l.Geometry.Blocks())
	if chunk < 0 {
		return 0
	}
	return int(max(0, min(n, l.Blocks-int64(chunk)*n)))
}

// CheckBlock tells whether the file has this block: ErrChunk or ErrBlock if not.
func (l Layout) CheckBlock(m Block) error { return l.checkRun(m.Chunk, m.Index, 1) }

// CheckRequest tells whether the file has all these blocks: ErrChunk, ErrEmpty,
// ErrCount or ErrBlock if not.
func (l Layout) CheckRequest(m Request) error { return l.checkRun(m.Chunk, m.First, m.Count) }

func (l Layout) checkRun(chunk, first, count int32) error {
	n := int64(l.Len(chunk))
	switch {
	case n == 0:
		return ErrChunk
	case count == 0:
		return ErrEmpty
	case count < 0 || int64(count) > int64(l.Geometry.Blocks()):
		return ErrCount
	case first < 0 || int64(first)+int64(count) > n:
		return ErrBlock
	}
	return nil
}

// CheckPartial tells whether the file has all these blocks: ErrChunk, ErrEmpty or
// ErrBlock if not.
func (l Layout) CheckPartial(m *Partial) error {
	n := l.Len(m.Chunk)
	switch {
	case n == 0:
		return ErrChunk
	case m.Blocks.Empty():
		return ErrEmpty
	}
	if _, beyond := m.Blocks.Run(n); beyond > 0 {
		return ErrBlock
	}
	return nil
}
