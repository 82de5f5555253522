package receive

import (
	"fmt"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/internal/sim"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// lan is a switched network: packets arrive soon, and seldom in another order.
var lan = sim.Link{Delay: 100 * time.Microsecond, Jitter: 50 * time.Microsecond}

// gigabit is a server's link, and burst what its pacing of 200 Mbit/s sends every
// 2 ms, in jumbo blocks: a simulation of them is eight times as fast.
var gigabit = sim.Link{Rate: 1e9}

const burst = 6

// floor is what a server must send at least, in files, if each of n clients loses
// each block with probability p, independently: a block goes out until the last
// client has it.
func floor(p float64, n int) float64 {
	sum := 1.0
	for q := p; q > 1e-9; q *= p {
		all := 1.0
		for range n {
			all *= 1 - q
		}
		sum += 1 - all
	}
	return sum
}

func modes(t *testing.T, f func(t *testing.T, o Options)) {
	for _, eager := range []bool{true, false} {
		name := "classic"
		if eager {
			name = "eager"
		}
		t.Run(name, func(t *testing.T) { f(t, Options{Eager: eager, Geometry: wire.Jumbo}) })
	}
}

// TestRooms has the table of what multicast costs. What the server sends comes
// near what it cannot do without; the time, to what that takes.
func TestRooms(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
			one := time.Duration(0)
			for _, clients := range []int{1, 4, 16, 32} {
				if testing.Short() && clients > 4 {
					continue
				}
				rx := lan
				rx.Loss = loss
				res := room{seed: 1, chunks: 24, clients: clients, rx: rx, server: gigabit, burst: burst, o: o}.run(t)
				if clients == 1 {
					one = res.last
				}
				least, slower := floor(loss, clients), float64(res.last)/float64(one)
				name := fmt.Sprintf("%2d clients, %2.0f %% lost", clients, loss*100)
				t.Logf("%s: sent %.3f of the file (least %.3f) in %5.2f s, %.2f of one client, %d requests",
					name, res.ratio, least, res.last.Seconds(), slower, res.requests)
				if most := max(least*1.03, 1.02); res.ratio > most {
					t.Errorf("%s: sent %.3f of the file; want at most %.3f", name, res.ratio, most)
				}
				if loss <= 0.01 && slower > 1.5 {
					t.Errorf("%s: took %.2f of the time of one client; want at most 1.5", name, slower)
				}
				if paced := time.Duration(res.sent/burst) * 2 * ms; o.Eager && res.last > paced*23/20+100*ms {
					t.Errorf("%s: took %v where sending takes %v", name, res.last, paced)
				}
			}
		}
	})
}

// TestSharedLoss loses what all clients would have got, as a bad uplink does: it
// costs no more than with one.
func TestSharedLoss(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		up := gigabit
		up.Loss = 0.01
		res := room{seed: 2, chunks: 32, clients: 16, rx: lan, server: up, burst: burst, o: o}.run(t)
		t.Logf("sent %.3f of the file in %v, %d requests", res.ratio, res.last, res.requests)
		if res.ratio > 1.1 {
			t.Errorf("sent %.3f of the file; want at most 1.1", res.ratio)
		}
	})
}

// TestStandardBlocks is one room with the blocks that nearly all servers have.
func TestStandardBlocks(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Geometry = wire.Standard
		rx := lan
		rx.Loss = 0.01
		res := room{seed: 3, chunks: 6.3, clients: 8, rx: rx, server: gigabit, burst: 48, o: o}.run(t)
		t.Logf("sent %.3f of the file (least %.3f) in %v, %d requests", res.ratio, floor(0.01, 8), res.last, res.requests)
		if res.ratio > 1.1 {
			t.Errorf("sent %.3f of the file; want at most 1.1", res.ratio)
		}
	})
}

// TestBadNetworks has what else networks do.
func TestBadNetworks(t *testing.T) {
	for _, tt := range []struct {
		name string
		rx   sim.Link
		most float64 // of the least without bursts or reordering
	}{
		{"bursts", sim.Link{Loss: 0.05, Burst: 20, Delay: ms / 5}, 1.05},
		{"long bursts", sim.Link{Loss: 0.2, Burst: 100, Delay: ms / 5}, 1.1},
		{"reordered", sim.Link{Loss: 0.01, Delay: ms / 5, Jitter: ms}, 1.1},
		{"much reordered", sim.Link{Loss: 0.01, Delay: ms / 5, Jitter: 5 * ms}, 1.3},
		{"duplicated", sim.Link{Loss: 0.01, Dup: 0.2, Delay: ms / 5, Jitter: ms / 5}, 1.1},
		{"far away", sim.Link{Loss: 0.01, Delay: 20 * ms, Jitter: ms}, 1.1},
		{"all of it", sim.Link{Loss: 0.2, Burst: 5, Dup: 0.1, Delay: 2 * ms, Jitter: 2 * ms}, 1.3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modes(t, func(t *testing.T, o Options) {
				res := room{seed: 4, chunks: 24, clients: 8, rx: tt.rx, server: gigabit, burst: burst, o: o}.run(t)
				least := floor(tt.rx.Loss, 8)
				t.Logf("sent %.3f of the file (least %.3f) in %v, %d requests", res.ratio, least, res.last, res.requests)
				if res.ratio > tt.most*least {
					t.Errorf("sent %.3f of the file; want at most %.3f", res.ratio, tt.most*least)
				}
			})
		})
	}
}

// TestLateJoiner comes in the middle. It takes what flows, and costs what it has
// missed.
func TestLateJoiner(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		rx := lan
		rx.Loss = 0.001
		asked := -1
		r := room{seed: 5, chunks: 48, clients: 4, rx: rx, server: gigabit, burst: burst, o: o}
		alone := r.run(t)
		r.clients++
		r.each = func(i int, n *node, _ *sim.Link) {
			if i == 4 {
				n.start = alone.last / 2
				n.watch = func(time.Duration) {
					if asked < 0 && n.c.Lacking() <= 26 {
						asked = int(n.c.Counters().Requests - n.c.Counters().Partials)
					}
				}
			}
		}
		res := r.run(t)
		others := time.Duration(0)
		for _, n := range res.nodes[:4] {
			others = max(others, n.start+n.finished)
		}
		t.Logf("sent %.3f of the file in %v, the others were done after %v (%v without), %d requests of its own for new chunks meanwhile",
			res.ratio, res.last, others, alone.last, asked)
		if res.ratio > 1.6 {
			t.Errorf("sent %.3f of the file; want at most 1.6", res.ratio)
		}
		if o.Eager && (asked < 0 || asked > 8) {
			t.Errorf("asked for %d chunks while others did", asked)
		}
		if o.Eager && others > alone.last*5/4 {
			t.Errorf("the others took %v instead of %v", others, alone.last)
		}
	})
}

// TestDyingClients leave without a word.
func TestDyingClients(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		rx := lan
		rx.Loss = 0.01
		kill := map[int]time.Duration{0: 100 * ms, 3: 500 * ms, 4: 501 * ms, 5: 900 * ms}
		res := room{seed: 6, chunks: 48, clients: 8, rx: rx, server: gigabit, burst: burst, o: o, kill: kill}.run(t)
		t.Logf("sent %.3f of the file in %v", res.ratio, res.last)
		if res.ratio > floor(0.01, 8)*1.03 {
			t.Errorf("sent %.3f of the file", res.ratio)
		}
	})
}

// TestSlowConsumer has one client whose disk takes half of what flows, and few
// buffers. It makes the server send again what it had no room for, but none of
// the others wait for it.
func TestSlowConsumer(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		r := room{seed: 7, chunks: 64, clients: 4, rx: lan, server: gigabit, burst: burst, o: o}
		alone := r.run(t)
		r.each = func(i int, n *node, _ *sim.Link) {
			if i == 0 {
				n.perChunk = 80 * ms
			}
		}
		r.o.Buffers = 8
		res := r.run(t)
		others := time.Duration(0)
		for _, n := range res.nodes[1:] {
			others = max(others, n.start+n.finished)
		}
		slow := res.nodes[0]
		t.Logf("sent %.3f of the file; slow after %v, others after %v (%v without it); %+v", res.ratio, slow.finished, others, alone.last, slow.c.Counters())
		if slow.finished > 64*80*ms*5/4 {
			t.Errorf("the slow client took %v, its disk %v", slow.finished, 64*80*ms)
		}
		if others > alone.last*3/2 {
			t.Errorf("the others took %v instead of %v", others, alone.last)
		}
		if res.ratio > 2 {
			t.Errorf("sent %.3f of the file", res.ratio)
		}
	})
}

// TestSmallBuffers has hardly any memory.
func TestSmallBuffers(t *testing.T) {
	for _, buffers := range []int{1, 2, 4} {
		modes(t, func(t *testing.T, o Options) {
			o.Buffers = buffers
			rx := lan
			rx.Loss = 0.05
			res := room{seed: 8, chunks: 12, clients: 4, rx: rx, server: gigabit, burst: burst, o: o}.run(t)
			t.Logf("%d buffers: sent %.3f of the file in %v", buffers, res.ratio, res.last)
		})
	}
}

// TestRuns measures how many runs are begun and not over at a time.
func TestRuns(t *testing.T) {
	rx := lan
	rx.Loss = 0.01
	res := room{seed: 9, chunks: 64, clients: 8, rx: rx, server: gigabit, burst: burst, o: Options{Geometry: wire.Jumbo, Eager: true, Run: 8}}.run(t)
	open, most := map[int32]int{}, 0
	for _, k := range res.nodes[0].seen {
		if open[k/8]++; open[k/8] == 8 {
			delete(open, k/8)
		}
		most = max(most, len(open))
	}
	t.Logf("sent %.3f of the file in %v; at most %d runs of 8 open", res.ratio, res.last, most)
	if most > 4 {
		t.Errorf("%d runs open at a time: %v", most, res.nodes[0].seen)
	}
}

// TestDelta has clients that need different parts.
func TestDelta(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		rx := lan
		rx.Loss = 0.01
		r := room{seed: 10, chunks: 48, clients: 4, rx: rx, server: gigabit, burst: burst, o: o}
		r.each = func(i int, n *node, _ *sim.Link) {
			n.wants = func(k int32) bool { return k%8 == 0 || int(k)%16 == 2*i+1 }
		}
		res := r.run(t)
		t.Logf("sent %.3f of the file in %v", res.ratio, res.last)
		// All need 6 chunks, and each 3 of its own.
		if want := (6*floor(0.01, 4) + 4*3*floor(0.01, 1)) / 48; res.ratio > want*1.05 {
			t.Errorf("sent %.3f of the file; want at most %.3f", res.ratio, want*1.05)
		}
	})
}

// flood asks for random chunks all the time, and sends blocks that cannot be.
type flood struct {
	net *sim.Net
	id  int
}

func (f *flood) Packet(time.Duration, []byte) {}

func (f *flood) Wake(now time.Duration) {
	r := f.net.Rand
	p := wire.Partial{Chunk: int32(r.IntN(30)), Retries: int32(r.IntN(2))}
	first := r.IntN(128)
	p.Blocks.SetRange(first, 1+r.IntN(140-first))
	for _, m := range []wire.Message{
		&p,
		wire.Request{Chunk: int32(r.IntN(100)), Count: int32(r.IntN(200))},
		wire.Block{Chunk: int32(r.IntN(60) + 24), Index: int32(r.IntN(128))},
	} {
		d := m.Append(nil, wire.Jumbo, [4]byte{})
		if _, err := wire.Parse(d, wire.Jumbo); err == nil {
			f.net.Multicast(f.id, d)
		}
	}
	f.net.WakeAt(f.id, now+2*ms)
}

func TestFlood(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		rx := lan
		rx.Loss = 0.05
		r := room{seed: 11, chunks: 24, clients: 4, rx: rx, server: gigabit, burst: burst, o: o}
		r.prepare = func(net *sim.Net) {
			f := &flood{net: net}
			f.id = net.Join(f, lan, lan)
			net.WakeAt(f.id, ms)
		}
		res := r.run(t)
		t.Logf("sent %.3f of the file in %v, %d requests", res.ratio, res.last, res.requests)
		if res.requests > 10*24*4 {
			t.Errorf("was made to send %d requests", res.requests)
		}
	})
}
