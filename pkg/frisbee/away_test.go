package frisbee

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/qemu/lab"
)

// TestBadChunkAway has a chunk come wrong, or be found wrong later, once a client
// that is too slow has left the room and has fetched all the rest: nothing but
// another repair brings it again.
func TestBadChunkAway(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later %v", later), func(t *testing.T) {
			l := lab.ForTest(t, lab.Options{Nodes: 3})
			data := file(24 << 20)
			serve(t, l, data, ServerOptions{Rate: 100e6})
			r := &ranges{data: data}
			found, last := 0, int32(-1)
			var c *sink
			c = client(t, l.Nodes[0].Host, len(data), ClientOptions{
				Buffers: 3, Workers: 1, Behind: 0.3, Repair: r.get,
				Chunk: func(ctx context.Context, k int32, _ []byte) error {
					if !c.away.Load() {
						return wait(ctx, 300*time.Millisecond)
					}
					left := c.Missing()
					switch {
					case found > 0 || !left.Empty():
					case !later:
						found++
						if err := wait(ctx, 50*time.Millisecond); err != nil { // so that the repair has ended
							return err
						}
						return fmt.Errorf("compare: %w", ErrBadChunk)
					case last >= 0:
						if found++; !c.Again(last) {
							t.Errorf("chunk %d cannot be had again", last)
						}
					}
					last = k
					return nil
				},
			})
			c.span = 500 * time.Millisecond
			receiveAll(t, c, client(t, l.Nodes[1].Host, len(data), ClientOptions{}), client(t, l.Nodes[2].Host, len(data), ClientOptions{}))
			if c.err != nil || !c.away.Load() || found != 1 {
				t.Errorf("ends with %v; away: %v; %d chunks found bad", c.err, c.away.Load(), found)
			}
		})
	}
}
