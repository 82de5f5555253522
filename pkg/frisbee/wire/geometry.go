package wire

// ChunkSize is what a chunk holds in every geometry, in bytes.
const ChunkSize = 1 << 20

// MaxBlocks is the most blocks a chunk has in any geometry.
const MaxBlocks = 1024

// Geometry is how chunks are cut into blocks. Peers of different geometries
// cannot talk. The zero value is what nearly everybody uses.
type Geometry uint8

const (
	Standard Geometry = iota // 1024 blocks of 1024 bytes
	Jumbo                    // 128 blocks of 8192 bytes
)

// BlockSize is the length of a block in bytes.
func (g Geometry) BlockSize() int {
	if g == Jumbo {
		return 8192
	}
	return 1024
}

// Blocks is how many blocks a whole chunk has.
func (g Geometry) Blocks() int { return ChunkSize / g.BlockSize() }

// BitmapSize is the length of a bitmap in a packet, in bytes.
func (g Geometry) BitmapSize() int { return g.Blocks() / 8 }

// MaxPacket is the longest UDP payload a peer sends, in bytes. A buffer of this
// length cuts off nothing that matters.
func (g Geometry) MaxPacket() int {
	return max(g.CodedLen()+g.BlockSize(), HeaderLen+progressLen+progressMore)
}

// other is the geometry a peer has that does not have this one.
func (g Geometry) other() Geometry {
	if g == Jumbo {
		return Standard
	}
	return Jumbo
}
