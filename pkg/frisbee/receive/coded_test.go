package receive

import (
	"os"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/internal/sim"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// TestCodedRooms has the table of what multicast costs where repairs are coded:
// hardly more than what the client loses that loses most.
func TestCodedRooms(t *testing.T) {
	own := func(p float64) (rx, server sim.Link) { rx = lan; rx.Loss = p; return rx, gigabit }
	type most [4]float64 // of the file, by loss
	for _, x := range []struct {
		name   string
		g      wire.Geometry
		chunks float64
		burst  int
		links  func(loss float64) (rx, server sim.Link)
		most   most
		slow   bool
	}{
		{"jumbo", wire.Jumbo, 12, burst, own, most{1.001, 1.1, 1.2, 1.5}, false},
		{"standard", wire.Standard, 3.3, 8 * burst, own, most{1.001, 1.05, 1.13, 1.42}, false},
		{"bursts", wire.Standard, 6, 8 * burst, func(p float64) (rx, server sim.Link) {
			rx = lan
			rx.Loss, rx.Burst = p, 20
			return rx, gigabit
		}, most{1.001, 1.15, 1.3, 1.7}, true},
		{"shared", wire.Standard, 6, 8 * burst, func(p float64) (rx, server sim.Link) {
			server = gigabit
			server.Loss = p
			return lan, server
		}, most{1.001, 1.03, 1.09, 1.35}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			slow := os.Getenv("ORBIT_SLOW") != ""
			if x.slow && !slow {
				t.Skip("computes a lot for 32 clients (set ORBIT_SLOW=1)")
			}
			for i, loss := range []float64{0, 0.01, 0.05, 0.2} {
				one := time.Duration(0)
				for _, clients := range []int{1, 4, 16, 32} {
					if !slow && clients == 4 || x.g == wire.Standard && !slow && clients == 32 || testing.Short() && clients > 16 {
						continue
					}
					r := room{seed: 1, chunks: x.chunks, clients: clients, burst: x.burst, o: Options{Eager: true, Geometry: x.g}, coded: true}
					r.rx, r.server = x.links(loss)
					res := r.run(t)
					if clients == 1 {
						one = res.last
					}
					slower := float64(res.last) / float64(one)
					t.Logf("%2d clients, %2.0f %% lost: sent %.3f of the file in %.2f s, %.2f of one client, %d requests",
						clients, loss*100, res.ratio, res.last.Seconds(), slower, res.requests)
					if res.ratio > x.most[i] {
						t.Errorf("%d clients, %2.0f %% lost: sent %.3f of the file; want at most %.3f", clients, loss*100, res.ratio, x.most[i])
					}
					// A request that is lost at the end costs little, but the file is short.
					if slower > 1.5 && res.last > one+200*ms {
						t.Errorf("%d clients, %2.0f %% lost: took %.2f of the time of one client; want at most 1.5", clients, loss*100, slower)
					}
				}
			}
		})
	}
}

// TestCodedBadNetworks has what else networks do.
func TestCodedBadNetworks(t *testing.T) {
	for _, tt := range []struct {
		name string
		rx   sim.Link
		most float64 // of the file
	}{
		{"reordered", sim.Link{Loss: 0.01, Delay: ms / 5, Jitter: ms}, 1.1},
		{"much reordered", sim.Link{Loss: 0.01, Delay: ms / 5, Jitter: 5 * ms}, 1.3},
		{"duplicated", sim.Link{Loss: 0.01, Dup: 0.2, Delay: ms / 5, Jitter: ms / 5}, 1.1},
		{"far away", sim.Link{Loss: 0.01, Delay: 20 * ms, Jitter: ms}, 1.15},
		{"all of it", sim.Link{Loss: 0.2, Burst: 5, Dup: 0.1, Delay: 2 * ms, Jitter: 2 * ms}, 1.8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := room{seed: 4, chunks: 16.4, clients: 8, rx: tt.rx, server: gigabit, burst: burst, o: Options{Eager: true, Geometry: wire.Jumbo}, coded: true}.run(t)
			t.Logf("sent %.3f of the file in %v, %d requests", res.ratio, res.last, res.requests)
			if res.ratio > tt.most {
				t.Errorf("sent %.3f of the file; want at most %.3f", res.ratio, tt.most)
			}
		})
	}
}

// TestPlainAfterAll has clients that believe that repairs are coded, and a
// server that sends none.
func TestPlainAfterAll(t *testing.T) {
	rx := lan
	rx.Loss = 0.05
	res := room{seed: 12, chunks: 24, clients: 8, rx: rx, server: gigabit, burst: burst, o: Options{Eager: true, Geometry: wire.Jumbo, Coded: true}}.run(t)
	least := floor(0.05, 8)
	t.Logf("sent %.3f of the file (least %.3f) in %v, %d requests", res.ratio, least, res.last, res.requests)
	if res.ratio > least*1.05 || res.last > 2*time.Second {
		t.Errorf("sent %.3f of the file in %v", res.ratio, res.last)
	}
	for i, n := range res.nodes {
		if n.c.coding {
			t.Errorf("client %d still believes in coded blocks", i)
		}
	}
}

// TestCodedSlowConsumer drops chunks and their equations for lack of buffers.
func TestCodedSlowConsumer(t *testing.T) {
	rx := lan
	rx.Loss = 0.05
	r := room{seed: 7, chunks: 32, clients: 4, rx: rx, server: gigabit, burst: burst, o: Options{Eager: true, Geometry: wire.Jumbo, Buffers: 6}, coded: true}
	r.each = func(i int, n *node, _ *sim.Link) {
		if i == 0 {
			n.perChunk = 80 * ms
		}
	}
	res := r.run(t)
	t.Logf("sent %.3f of the file in %v; %+v", res.ratio, res.last, res.nodes[0].c.Counters())
	if res.last > 32*80*ms*3/2 {
		t.Errorf("took %v, the disk %v", res.last, 32*80*ms)
	}
}
