package receive

import (
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/internal/sim"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// TestLags has rooms of four at 200 Mbit/s, in which the consumers of some take
// a fifth of that, and networks that lose what the consumers would have taken.
func TestLags(t *testing.T) {
	const span = 1500 * ms
	const slow, fast = 200 * ms, 10 * ms
	for _, x := range []struct {
		name     string
		chunks   float64
		slow     int // of the four
		buffers  int
		perChunk time.Duration // of those
		recovers time.Duration // 0 is never
		loss     float64
		lags     bool
		by       time.Duration // when that is to be known
	}{
		{name: "few buffers", chunks: 120, slow: 1, buffers: 4, perChunk: slow, lags: true, by: 3200 * ms},
		{name: "few buffers, losses", chunks: 120, slow: 1, buffers: 4, perChunk: slow, loss: 0.01, lags: true, by: 3200 * ms},
		{name: "16 buffers", chunks: 120, slow: 1, buffers: 16, perChunk: slow, lags: true, by: 5 * time.Second},
		{name: "64 buffers", chunks: 192, slow: 1, buffers: 64, perChunk: slow, lags: true, by: 8 * time.Second},
		{name: "very slow", chunks: 120, slow: 1, buffers: 4, perChunk: 2 * time.Second, lags: true, by: 3200 * ms},
		{name: "somewhat slower", chunks: 80, slow: 1, buffers: 16, perChunk: 60 * ms},
		{name: "recovers", chunks: 80, slow: 1, buffers: 4, perChunk: slow, recovers: 2 * time.Second},
		{name: "64 buffers, recovers", chunks: 192, slow: 1, buffers: 64, perChunk: slow, recovers: 4 * time.Second},
		{name: "all are slow", chunks: 80, slow: 4, buffers: 4, perChunk: slow},
		{name: "all are slow, 16 buffers", chunks: 80, slow: 4, buffers: 16, perChunk: slow},
		{name: "losses", chunks: 48, buffers: 16, loss: 0.2},
		{name: "losses, few buffers", chunks: 48, buffers: 4, loss: 0.2},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := room{seed: 7, chunks: x.chunks, clients: 4, rx: lan, server: gigabit, burst: burst, coded: true}
			r.rx.Loss = x.loss
			r.o = Options{Geometry: wire.Jumbo, Eager: true, Run: 8, Buffers: x.buffers}
			var first time.Duration
			over := 0
			r.each = func(i int, n *node, _ *sim.Link) {
				n.perChunk = fast
				if i < x.slow {
					n.perChunk = x.perChunk
				}
				n.watch = func(now time.Duration) {
					if i < x.slow && x.recovers > 0 && now > x.recovers {
						n.perChunk = fast
					}
					if lags := n.c.Lags(now, span, 0.5); lags >= 2 && first == 0 && i < max(1, x.slow) {
						first = now
					} else if lags > 0 && i >= max(1, x.slow) {
						over++
					}
				}
			}
			r.run(t)
			if (first > 0) != x.lags || first > x.by {
				t.Errorf("lags after %v", first)
			}
			if over > 0 {
				t.Error("one whose disk is fast lags")
			}
		})
	}
}
