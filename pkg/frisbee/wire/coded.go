package wire

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

// CodedLen is the length of what comes before the data of a coded block.
func (g Geometry) CodedLen() int { return BlockHeaderLen + g.BitmapSize() }

// What the Blocks of a JOIN2 say, which real peers do not look at: that a
// client understands coded blocks, and that a server may send some.
const (
	UnderstandsCoded int32 = 0x4f524301
	SendsCoded       int32 = 0x4f524302
)

// Coded is the sum, by exclusive or, of some blocks of a chunk. Whoever lacks n
// blocks of it has them when n independent sums came, whichever blocks they are.
type Coded struct {
	Chunk  int32  // from 0
	Left   int32  // sums of this chunk that are to follow this one at once
	Blocks Bitmap // that are in the sum, at least one
	Data   []byte // of one block; the end of a file counts as zeros
}

// Coded gives the fields of a CODED; its data is a view of the datagram.
func (p *Packet) Coded() (Coded, bool) {
	if p.Kind != KindCoded {
		return Coded{}, false
	}
	g := p.geometry
	m := Coded{Chunk: i32(p.body), Left: i32(p.body[4:]), Data: p.body[blockFields+g.BitmapSize():][:g.BlockSize()]}
	m.Blocks.load(p.body[blockFields:][:g.BitmapSize()])
	return m, true
}

// AppendHeader appends what comes before the data: CodedLen bytes.
func (m *Coded) AppendHeader(dst []byte, g Geometry, from [4]byte) []byte {
	n := len(dst)
	dst = Partial{Chunk: m.Chunk, Retries: m.Left, Blocks: m.Blocks}.Append(dst, g, from)
	le := binary.LittleEndian
	le.PutUint32(dst[n+4:], uint32(KindCoded))
	le.PutUint32(dst[n+8:], uint32(KindCoded.least(g)))
	return dst
}

// Append appends the packet, padded with zeros where the data is shorter than a
// block, and cut where it is longer.
func (m Coded) Append(dst []byte, g Geometry, from [4]byte) []byte {
	dst = m.AppendHeader(dst, g, from)
	data := m.Data[:min(len(m.Data), g.BlockSize())]
	return appendZeros(append(dst, data...), g.BlockSize()-len(data))
}

// Few are the blocks of a chunk up to which a request is answered by just those
// blocks, if not many others are wanted.
const Few = 4

// Codable is the most blocks of a chunk that a client may lack to be helped by
// coded blocks: what it has to compute grows with the square of them. A server that sends
// coded blocks answers all requests for more than Few blocks, and at most these,
// by as many coded blocks as the neediest client asks for, and some spare ones.
// So a client need not ask for what it lacks where another has asked for as much.
func (l Layout) Codable(chunk int32) int {
	if l.Geometry == Jumbo {
		return l.Len(chunk) * 3 / 4
	}
	return l.Len(chunk) * 3 / 8
}

// Sum adds the blocks of a set to dst, which has the size of one. chunk must have
// them all.
func (m *Bitmap) Sum(dst, chunk []byte) {
	size := len(dst)
	for i, w := range m {
		for ; w != 0; w &= w - 1 {
			off := (i*64 + bits.TrailingZeros64(w)) * size
			subtle.XORBytes(dst, dst, chunk[off:off+size])
		}
	}
}

// CheckCoded tells whether the file has all these blocks: ErrChunk, ErrEmpty or
// ErrBlock if not.
func (l Layout) CheckCoded(m *Coded) error {
	return l.CheckPartial(&Partial{Chunk: m.Chunk, Blocks: m.Blocks})
}
