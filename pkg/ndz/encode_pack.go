package ndz

import (
	"hash/adler32"

	flate "github.com/orbit-pxe/orbit/pkg/ndz/deflate"
)

// packer compresses pieces.
type packer struct {
	enc  flate.Encoder
	out  []byte   // the blocks of a piece, compressed
	ends []int    // of each, in out
	sums []uint32 // Adler-32 of each
}

func newPacker() *packer { return &packer{out: make([]byte, 0, pieceLen+pieceLen/64)} }

// pack compresses the blocks of a piece, whose data is in buf.
func (p *packer) pack(c *piece, buf []byte) {
	p.out, p.ends, p.sums = p.out[:0], p.ends[:0], p.sums[:0]
	p.enc.Reset(0)
	for _, b := range c.blocks {
		p.out = p.enc.Append(p.out, buf, b.from, b.to)
		p.ends = append(p.ends, len(p.out))
		p.sums = append(p.sums, adler32.Checksum(buf[b.from:b.to]))
	}
}

// joinSums is the Adler-32 (RFC 1950) of what sums to a followed by n bytes, no
// more than of a block, that sum to b.
func joinSums(a, b uint32, n int) uint32 {
	const mod = 65521
	lo := a&0xffff + b&0xffff - 1 + mod
	// Each of the n sums of the second part is ahead by what the first sums up to.
	hi := uint64(a>>16) + uint64(b>>16) + uint64(n)*uint64(a&0xffff+mod-1)
	return uint32(hi%mod)<<16 | lo%mod
}
