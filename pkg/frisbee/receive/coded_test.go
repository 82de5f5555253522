package receive

import (
	"fmt"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/internal/sim"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// TestCodedRooms has the table of what multicast costs where repairs are coded.
func TestCodedRooms(t *testing.T) {
	for _, x := range []struct {
		g      wire.Geometry
		chunks float64
		burst  int
	}{{wire.Standard, 12, 48}, {wire.Jumbo, 24, burst}} {
		for _, k := range []struct {
			name   string
			rx, tx func(float64) sim.Link
		}{
			{"each its own", func(p float64) sim.Link { l := lan; l.Loss = p; return l }, func(float64) sim.Link { return gigabit }},
			{"bursts", func(p float64) sim.Link { l := lan; l.Loss, l.Burst = p, 20; return l }, func(float64) sim.Link { return gigabit }},
			{"shared", func(float64) sim.Link { return lan }, func(p float64) sim.Link { l := gigabit; l.Loss = p; return l }},
		} {
			for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
				one := time.Duration(0)
				for _, clients := range []int{1, 4, 16, 32} {
					res := room{seed: 1, chunks: x.chunks, clients: clients, rx: k.rx(loss), server: k.tx(loss), burst: x.burst, o: Options{Eager: true, Geometry: x.g}, coded: true}.run(t)
					if clients == 1 {
						one = res.last
					}
					n := res.nodes[0].c.Counters()
					t.Logf("%s: sent %.3f of the file in %5.2f s, %.2f of one client, %d requests %d rep %d coded %d solved %d dup",
						fmt.Sprintf("%d %s %2d clients, %2.0f %% lost", x.g, k.name, clients, loss*100), res.ratio, res.last.Seconds(), float64(res.last)/float64(one), res.requests, n.Repeats, n.Coded, n.Solved, n.DupOpen)
				}
			}
		}
	}
}
