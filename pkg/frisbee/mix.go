package frisbee

import (
	"context"
	"math/rand/v2"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// mixing makes coded blocks.
type mixing struct {
	s     *Server
	mixer *queue.Mixer
	chunk []byte // made when first needed
	index int32  // of the chunk in it, or -1
}

func newMixing(s *Server) *mixing {
	return &mixing{s: s, mixer: queue.NewMixer(s.o.Geometry, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))), index: -1}
}

// mix fills a piece with coded blocks.
func (x *mixing) mix(ctx context.Context, p *piece) error {
	g, size := x.s.o.Geometry, x.s.o.Geometry.BlockSize()
	if x.chunk == nil {
		x.chunk = make([]byte, 0, wire.ChunkSize)
	}
	if p.Chunk != x.index {
		x.index, x.chunk = -1, x.chunk[:x.s.layout.Len(p.Chunk)*size]
		if err := x.s.readAt(ctx, x.chunk, int64(p.Chunk)*wire.ChunkSize); err != nil {
			return err
		}
		x.index = p.Chunk
	}
	x.mixer.Batch(int(p.Count) + p.Left)
	p.headers = p.headers[:0]
	for i := range int(p.Count) {
		m := wire.Coded{Chunk: p.Chunk, Left: p.Count - 1 - int32(i) + int32(p.Left)}
		m.Blocks = x.mixer.Mix(p.data[i*size:][:size], x.chunk)
		p.headers = m.AppendHeader(p.headers, g, x.s.from)
	}
	return nil
}
