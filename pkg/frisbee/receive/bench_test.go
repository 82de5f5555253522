package receive

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// BenchmarkBlock takes the blocks of whole chunks, one in a hundred in a second
// pass, at 100 MB/s.
func BenchmarkBlock(b *testing.B) {
	modes := map[string]Options{"classic": {}, "eager": {Eager: true}}
	for name, o := range modes {
		b.Run(name, func(b *testing.B) {
			const chunks = 64
			o.Bytes = chunks * wire.ChunkSize
			o.Random = rand.New(rand.NewPCG(1, 2)).IntN
			data := make([]byte, 1024)
			b.SetBytes(1024)
			var c *Client
			now := time.Duration(0)
			take := func(k, i int) {
				now += 10 * time.Microsecond
				c.Block(now, wire.Block{Chunk: int32(k), Index: int32(i), Data: data})
				for _, ok := c.Send(); ok; _, ok = c.Send() {
				}
				if ch, ok := c.Chunk(); ok {
					c.Release(now, ch)
				}
			}
			for n := 0; n < b.N; n += chunks << 10 {
				var err error
				if c, err = New(o); err != nil {
					b.Fatal(err)
				}
				now = 0
				for k := range chunks + 5 {
					for i := range 1024 {
						if k < chunks && i%100 != 0 {
							take(k, i)
						}
						if k >= 5 && i%100 == 0 {
							take(k-5, i)
						}
					}
				}
				if !c.Done() {
					b.Fatalf("lacks %d chunks", c.Lacking())
				}
			}
		})
	}
}
