package frisbee

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// codedRoom has clients, of which some may be classic, receive a file on a
// network that loses much, and gives how many coded blocks the server sent.
func codedRoom(t *testing.T, loss float64, o ServerOptions, clients ...ClientOptions) uint64 {
	l := lab.ForTest(t, lab.Options{Nodes: len(clients), Seed: 3})
	data := file(6<<20 - 777)
	o.Rate = 100e6
	s := serve(t, l, data, o)
	var all []*sink
	for i, n := range l.Nodes {
		if err := n.Impair(lab.Impairment{Loss: loss}, lab.Impairment{}); err != nil {
			t.Fatal(err)
		}
		all = append(all, client(t, n.Host, len(data), clients[i]))
	}
	receiveAll(t, all...)
	for i, c := range all {
		c.check(t, data)
		if n := c.Stats().Blocks; clients[i].Classic && n.Coded > 0 {
			t.Errorf("%s is classic, and took %d coded blocks", c.host.Name, n.Coded)
		}
	}
	n := s.Stats()
	t.Logf("%v, %.3f x the file sent, %d coded blocks", all[0].took, float64(n.Bytes)/float64(len(data)), n.Queue.Coded)
	return n.Queue.Coded
}

// TestCodedRooms has coded blocks where everybody understands them, and nowhere
// else.
func TestCodedRooms(t *testing.T) {
	ours, classic := ClientOptions{}, ClientOptions{Classic: true}
	jumbo := ClientOptions{Geometry: wire.Jumbo}
	for _, x := range []struct {
		name    string
		o       ServerOptions
		clients []ClientOptions
		coded   bool
	}{
		{"ours", ServerOptions{}, []ClientOptions{ours, ours, ours}, true},
		{"jumbo", ServerOptions{Geometry: wire.Jumbo}, []ClientOptions{jumbo, jumbo, jumbo}, true},
		{"one alone", ServerOptions{}, []ClientOptions{ours}, false},
		{"one is classic", ServerOptions{}, []ClientOptions{ours, classic, ours}, false},
		{"so is the server", ServerOptions{Classic: true}, []ClientOptions{ours, ours, ours}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			loss := 0.1
			if x.o.Geometry == wire.Jumbo {
				loss = 0.02 // of six fragments each
			}
			n := codedRoom(t, loss, x.o, x.clients...)
			if x.name == "one is classic" {
				// Before the classic one has joined, nobody knows of it.
				x.coded = n > 0 && n < 400
			}
			if n > 0 != x.coded {
				t.Errorf("%d coded blocks were sent", n)
			}
		})
	}
}

// TestRosterCoded tells who keeps a server from coding.
func TestRosterCoded(t *testing.T) {
	r := newRoster(100)
	want := func(what string, now time.Duration, coded bool) {
		t.Helper()
		if r.coded(now) != coded {
			t.Errorf("%s: coded is %v", what, !coded)
		}
	}
	s := time.Second
	want("nobody", s, false)
	r.join(ip(1), 7, s)
	r.understands(ip(1), 7)
	want("one", s, false)
	r.join(ip(2), 8, s)
	want("one of two", s, false)
	r.understands(ip(2), 9)
	want("another's word for it", s, false)
	r.understands(ip(2), 8)
	r.join(ip(2), 8, s) // as an older join of the same client
	want("both", s, true)
	r.asked(ip(2), 2*s)
	want("both, one asks", 2*s, true)
	r.join(ip(3), 9, 3*s)
	want("a third", 40*s, false)
	r.leave(ip(3), 9, 40*s)
	want("it has left", 40*s, true)
	r.asked(ip(3), 50*s)
	want("it is back", 100*s, false)
	r.join(ip(3), 10, 100*s)
	r.understands(ip(3), 10)
	want("with another client", 100*s, true)
	r.asked(ip(4), 101*s)
	want("a stranger asks", 101*s, false)
	want("and is silent, as its disk is busy", 131*s, false)
	want("and is silent for good", 101*s+Patience, true)
	r.most = 4
	r.asked(ip(5), 132*s+Patience)
	want("a stranger that nobody can remember", 133*s+Patience, false)
	for i := 1; i <= 3; i++ {
		r.leave(ip(i), []uint32{0, 7, 8, 10}[i], 200*s)
	}
	if r.here != 0 || r.classic != 0 {
		t.Errorf("%d are here, %d of them classic, and all have left", r.here, r.classic)
	}
}

// TestForgottenCoded has a flood make the server forget a real client whose disk is
// busy: it may be there yet.
func TestForgottenCoded(t *testing.T) {
	r := newRoster(3)
	s := time.Second
	r.join(ip(1), 7, s)
	for i := 2; i <= 3; i++ {
		r.join(ip(i), 7, 30*s)
		r.understands(ip(i), 7)
	}
	r.heard(ip(4), 40*s)
	if r.clients[ip(1)] != nil || r.here != 2 || r.classic != 0 {
		t.Fatalf("%d are here, %d of them classic: nobody was forgotten", r.here, r.classic)
	}
	if r.coded(41*s) || !r.coded(40*s+Patience) {
		t.Error("a real client that was forgotten gets coded blocks, or nobody ever does again")
	}
}

// TestJoinCoded has a server say that it codes to those who understand it, and
// only to them alone.
func TestJoinCoded(t *testing.T) {
	for _, x := range []struct {
		name        string
		o           ServerOptions
		says        int32
		first, more int32
	}{
		{"real client", ServerOptions{}, 0, 0, 0},
		{"ours", ServerOptions{}, wire.UnderstandsCoded, wire.SendsCoded, 0},
		{"classic server", ServerOptions{Classic: true}, wire.UnderstandsCoded, 0, 0},
		{"garbage", ServerOptions{}, wire.SendsCoded, 0, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			l := lab.ForTest(t, lab.Options{Nodes: 1})
			x.o.Rate = 100e6
			serve(t, l, file(5000), x.o)
			p := newPeer(t, l.Nodes[0].Host, group)
			for i, want := range []int32{x.first, x.more} {
				p.send(wire.Join2{ID: 5, Blocks: x.says})
				h := p.want()
				if m, ok := h.Progress(); ok { // ours are to report
					if x.first != wire.SendsCoded || i == 0 || m.ID != 5 || m.What != wire.ProgressSummary {
						t.Errorf("is to report: %+v", m)
					}
					h = p.want()
				}
				if m, ok := h.Join2Reply(); !ok || m.ID != 5 || m.Bytes != 5000 || m.Blocks != want {
					t.Errorf("answer %d: %+v, want blocks %x", i, m, want)
				}
				if direct := h.to == l.Nodes[0].Addr; direct != (i == 0) {
					t.Errorf("answer %d is for %v", i, h.to)
				}
			}
		})
	}
}

// TestForgedSums has somebody send wrong coded blocks in the server's name, and
// some that cannot be. Digests find them.
func TestForgedSums(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 3})
	data := file(4 << 20)
	serve(t, l, data, ServerOptions{Rate: 100e6})
	r := &ranges{data: data}
	var all []*sink
	for _, n := range l.Nodes[:2] {
		if err := n.Impair(lab.Impairment{Loss: 0.05}, lab.Impairment{}); err != nil {
			t.Fatal(err)
		}
		all = append(all, client(t, n.Host, len(data), ClientOptions{
			Repair: r.get,
			Chunk: func(_ context.Context, k int32, b []byte) error {
				if !bytes.Equal(b, data[int(k)<<20:][:len(b)]) {
					return fmt.Errorf("chunk %d: %w", k, ErrBadChunk)
				}
				return nil
			},
		}))
	}
	evil := newLiar(t, l.Nodes[2].Host)
	from := netip.AddrPortFrom(l.Server.Addr, group.Port())
	stop := flood(t, func(r *rand.Rand) {
		m := wire.Coded{Chunk: r.Int32N(5), Left: r.Int32(), Data: []byte("no such sum")}
		for range 1 + r.IntN(4) {
			m.Blocks.Set(r.IntN(1024))
		}
		if r.IntN(2) == 0 {
			m.Chunk = 1
		}
		evil.send(from, group, m.Append(nil, wire.Standard, l.Server.Addr.As4()))
	})
	receiveAll(t, all...)
	stop()
	spoilt := uint64(0)
	for _, c := range all {
		c.check(t, data)
		spoilt += c.Stats().Spoilt
	}
	if spoilt == 0 {
		t.Error("no chunk was bad")
	}
}
