package queue

import (
	"math"
	"math/rand/v2"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Mixer makes coded blocks of chunks. Each is the sum of random blocks: the
// fewer, the more are sent, because together they are to tell of every block
// about equally often. So what a chunk costs to code hardly depends on how much
// of it is lost.
type Mixer struct {
	random    *rand.Rand
	blockSize int
	share     uint32 // of the blocks in a sum, of 2^32
}

// NewMixer is one for blocks of a geometry. Nobody need be unable to guess what
// the random numbers are.
func NewMixer(g wire.Geometry, random *rand.Rand) *Mixer {
	return &Mixer{random: random, blockSize: g.BlockSize()}
}

// Batch says that n coded blocks follow, or about so many.
func (m *Mixer) Batch(n int) {
	m.share = 1 << 31
	if s := (math.Log(float64(n+1)) + 6) / float64(n+1); s < 0.5 {
		m.share = uint32(s * (1 << 32))
	}
}

// Mix chooses some of the blocks of a chunk, which may be short but for the
// padding of its last block, and puts their sum in dst.
func (m *Mixer) Mix(dst, chunk []byte) (set wire.Bitmap) {
	n := len(chunk) / m.blockSize
	for set.Empty() {
		for b := range n {
			if m.random.Uint32() < m.share {
				set.Set(b)
			}
		}
		if n == 0 {
			return set
		}
	}
	dst = dst[:m.blockSize]
	clear(dst)
	set.Sum(dst, chunk)
	return set
}
