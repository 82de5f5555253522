package frisbee

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// flood calls f in bursts until the test ends.
func flood(t *testing.T, f func(r *rand.Rand)) (stop func()) {
	ctx, end := context.WithCancel(context.Background())
	var w sync.WaitGroup
	w.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			for range 20 {
				f(r)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	stop = func() { end(); w.Wait() }
	t.Cleanup(stop)
	return stop
}

// bounded checks that a server remembers no more than it may.
func (r *running) bounded(t *testing.T, clients int) {
	t.Helper()
	s := r.Server
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.roster.clients); n > clients {
		t.Errorf("%d clients are known, and %d the most", n, clients)
	}
	if n := len(s.replies); n > maxReplies {
		t.Errorf("%d answers wait", n)
	}
	if n := int64(s.queue.Entries()); n > s.layout.Chunks()+1 {
		t.Errorf("%d chunks wait in a file of %d", n, s.layout.Chunks())
	}
}

// TestFloods has somebody on the network send what nobody should.
func TestFloods(t *testing.T) {
	const size, most = 4 << 20, 16
	anybody := func(r *rand.Rand) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 98, 100, byte(r.IntN(128))}), group.Port())
	}
	for _, x := range []struct {
		name string
		evil func(p *peer, l liar, victims []*sink, server netip.Addr) func(r *rand.Rand)
	}{
		{"garbage", func(p *peer, _ liar, _ []*sink, _ netip.Addr) func(*rand.Rand) {
			return func(r *rand.Rand) {
				b := make([]byte, r.IntN(1400))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				if len(b) > 16 && r.IntN(2) == 0 { // nearly a packet
					copy(b, wire.Request{}.Append(nil, wire.Standard, p.from)[:16])
					b[4] = byte(r.IntN(10))
				}
				p.raw(b)
			}
		}},
		{"requests", func(p *peer, _ liar, _ []*sink, _ netip.Addr) func(*rand.Rand) {
			return func(r *rand.Rand) {
				p.send(wire.Request{Chunk: r.Int32N(size >> 20), First: 0, Count: 1024})
				p.send(wire.Partial{Chunk: r.Int32N(20) - 2, Retries: 1, Blocks: wire.Bitmap{r.Uint64(), r.Uint64()}})
			}
		}},
		{"joins", func(p *peer, l liar, _ []*sink, _ netip.Addr) func(*rand.Rand) {
			return func(r *rand.Rand) {
				p.send(wire.Join2{ID: r.Uint32()})
				from := anybody(r)
				l.send(from, group, wire.Join{ID: r.Uint32()}.Append(nil, wire.Standard, from.Addr().As4()))
				from = anybody(r)
				l.send(from, group, wire.Request{Chunk: 1, Count: 1}.Append(nil, wire.Standard, from.Addr().As4()))
			}
		}},
		{"leaves", func(p *peer, l liar, victims []*sink, _ netip.Addr) func(*rand.Rand) {
			return func(r *rand.Rand) {
				v := victims[r.IntN(len(victims))]
				m := wire.Leave{ID: v.id}
				p.send(m)
				if from := v.host.Addr; r.IntN(10) == 0 { // and from the victim itself, it seems
					l.send(netip.AddrPortFrom(from, group.Port()), group, m.Append(nil, wire.Standard, from.As4()))
				}
			}
		}},
		{"blocks from elsewhere", func(p *peer, _ liar, _ []*sink, _ netip.Addr) func(*rand.Rand) {
			return func(r *rand.Rand) {
				p.send(wire.Block{Chunk: r.Int32N(size>>20 + 2), Index: r.Int32N(1024), Data: []byte("no such data")})
				p.send(wire.Coded{Chunk: r.Int32N(size>>20 + 2), Left: r.Int32(), Blocks: wire.Bitmap{1: r.Uint64() | 1}, Data: []byte("no such sum")})
				p.send(wire.JoinReply{Blocks: 77})
				p.send(wire.Join2Reply{ID: 1, ChunkBlocks: 1024, BlockSize: 1024, Bytes: 1 << 40})
				p.send(wire.Progress{Interval: 1, What: 3})
			}
		}},
		{"blocks outside of the file", func(_ *peer, l liar, _ []*sink, server netip.Addr) func(*rand.Rand) {
			from := netip.AddrPortFrom(server, group.Port())
			return func(r *rand.Rand) {
				m := wire.Block{Chunk: size>>20 + r.Int32N(1<<30), Index: r.Int32N(1024)}
				l.send(from, group, m.Append(nil, wire.Standard, server.As4()))
				c := wire.Coded{Chunk: size>>20 + r.Int32N(1<<30), Left: r.Int32(), Blocks: wire.Bitmap{15: 1 << 63}}
				l.send(from, group, c.Append(nil, wire.Standard, server.As4()))
			}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			l := lab.ForTest(t, lab.Options{Nodes: 3})
			data := file(size)
			s := serve(t, l, data, ServerOptions{Rate: 100e6, MaxClients: most, UntilLeft: true})
			var all []*sink
			for _, n := range l.Nodes[:2] {
				all = append(all, client(t, n.Host, size, ClientOptions{Buffers: 3}))
			}
			stop := flood(t, x.evil(newPeer(t, l.Nodes[2].Host, group), newLiar(t, l.Nodes[2].Host), all, l.Server.Addr))
			receiveAll(t, all...)
			for _, c := range all {
				c.check(t, data)
			}
			s.bounded(t, most)
			select {
			case <-s.done:
				t.Errorf("the server ended with clients in the room: %v", s.err)
			default:
			}
			stop()
			n := s.Stats()
			t.Logf("%v and %v; %.2f x the file sent, %d bad and %d foreign packets", all[0].took, all[1].took, float64(n.Bytes)/size, n.Bad, n.Foreign)
		})
	}
}

// TestForgedBlocks has somebody send wrong blocks in the server's name. Digests
// find them, and what can be had is had by other means.
func TestForgedBlocks(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 2})
	data := file(3 << 20)
	serve(t, l, data, ServerOptions{Rate: 100e6})
	r := &ranges{data: data}
	c := client(t, l.Nodes[0].Host, len(data), ClientOptions{
		Repair: r.get,
		Chunk: func(_ context.Context, k int32, b []byte) error {
			if !bytes.Equal(b, data[int(k)<<20:][:len(b)]) {
				return fmt.Errorf("chunk %d: %w", k, ErrBadChunk)
			}
			return nil
		},
	})
	evil := newLiar(t, l.Nodes[1].Host)
	from := netip.AddrPortFrom(l.Server.Addr, group.Port())
	next := int32(0)
	stop := flood(t, func(*rand.Rand) {
		m := wire.Block{Chunk: 1, Index: next % 1024, Data: []byte("not what it ought to be")}
		next++
		evil.send(from, group, m.Append(nil, wire.Standard, l.Server.Addr.As4()))
	})
	receiveAll(t, c)
	stop()
	c.check(t, data)
	if n := c.Stats(); n.Spoilt == 0 {
		t.Errorf("no chunk was bad: %+v", n)
	}
}
