package frisbee

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire/pcaptest"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// session is a recorded one.
type session struct {
	file   []byte
	blocks map[[2]int32][]byte           // packets of the server
	asked  map[netip.Addr][]wire.Message // by the clients, in order
	order  []netip.Addr                  // of the clients, by their first packet
	joined wire.JoinReply
}

func record(t *testing.T, name string) session {
	t.Helper()
	s := session{blocks: map[[2]int32][]byte{}, asked: map[netip.Addr][]wire.Message{}}
	for _, f := range pcaptest.Load(t, name) {
		p, err := wire.Parse(f.Payload, wire.Standard)
		if f.Proto != pcaptest.UDP || err != nil {
			continue
		}
		if m, ok := p.JoinReply(); ok {
			s.joined = m
			s.file = make([]byte, int(m.Blocks)<<10)
		} else if b, ok := p.Block(); ok {
			s.blocks[[2]int32{b.Chunk, b.Index}] = f.Payload
			copy(s.file[int(b.Chunk)<<20+int(b.Index)<<10:], b.Data)
		} else if p.ForServer() {
			from := f.Src.Addr()
			if s.asked[from] == nil {
				s.order = append(s.order, from)
			}
			s.asked[from] = append(s.asked[from], p.Message())
		}
	}
	if len(s.blocks) != len(s.file)>>10 || len(s.order) != 2 {
		t.Fatalf("%d of %d blocks and %d clients are recorded", len(s.blocks), len(s.file)>>10, len(s.order))
	}
	return s
}

// same compares two packets but for the address that they are from.
func same(a, b []byte) bool {
	return len(a) == len(b) && bytes.Equal(a[:12], b[:12]) && bytes.Equal(a[16:], b[16:])
}

// TestReplay has the clients of recorded sessions ask our server what they asked
// the real one. It must answer with the packets of the real one, byte for byte
// but for its address, and send all that they asked for.
func TestReplay(t *testing.T) {
	for _, name := range []string{"session-2011.pcap.gz", "session-2016.pcap.gz"} {
		t.Run(name, func(t *testing.T) {
			s := record(t, name)
			l := lab.ForTest(t, lab.Options{Nodes: 2})
			serve(t, l, s.file, ServerOptions{Rate: 100e6})
			peers := make([]*peer, len(s.order))
			for i := range peers {
				peers[i] = newPeer(t, l.Nodes[i].Host, group)
			}
			want := map[[2]int32]bool{}
			joins := 0
			for i, from := range s.order {
				for _, m := range s.asked[from] {
					peers[i].send(m)
					switch m := m.(type) {
					case wire.Join:
						joins++
					case wire.Request:
						for b := range m.Count {
							want[[2]int32{m.Chunk, m.First + b}] = true
						}
					case wire.Partial:
						for first, n := range m.Blocks.Runs() {
							for b := range n {
								want[[2]int32{m.Chunk, int32(first + b)}] = true
							}
						}
					}
				}
			}
			if joins < 2 || len(want) != len(s.blocks) {
				t.Fatalf("%d joins and requests for %d blocks are recorded", joins, len(want))
			}
			for i, p := range peers {
				got, answers := map[[2]int32]bool{}, 0
				for len(got) < len(want) || answers == 0 {
					h, ok := p.next(5 * time.Second)
					if !ok {
						t.Fatalf("client %d got %d of %d blocks and %d answers", i, len(got), len(want), answers)
					}
					if b, ok := h.Block(); ok {
						key := [2]int32{b.Chunk, b.Index}
						got[key] = true
						if !same(h.data, s.blocks[key]) {
							t.Errorf("block %v is another packet than the real server's", key)
						}
					} else if m, ok := h.JoinReply(); ok {
						answers++
						if m != s.joined {
							t.Errorf("joined: %+v, want %+v", m, s.joined)
						}
					} else if h.from == l.Server.Addr {
						t.Errorf("the server sends a %v", h.Kind)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("blocks (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestRecordedServer has our client receive from the packets of a recorded
// server, which knows only the older join.
func TestRecordedServer(t *testing.T) {
	for _, classic := range []bool{false, true} {
		s := record(t, "session-2011.pcap.gz")
		l := lab.ForTest(t, lab.Options{Nodes: 1})
		p := newPeer(t, l.Server, group)
		c := client(t, l.Nodes[0].Host, len(s.file), ClientOptions{Classic: classic})
		done := make(chan struct{})
		go func() {
			defer close(done)
			receiveAll(t, c)
		}()
		kinds := map[wire.Kind]int{}
		for left := false; !left; {
			h, ok := p.next(10 * time.Second)
			if !ok {
				t.Error("the client says nothing")
				break
			}
			kinds[h.Kind]++
			if h.from != l.Nodes[0].Addr || h.Source != h.from.As4() || h.Type != wire.TypeRequest || h.to != group.Addr() {
				t.Errorf("a %v of type %d from %v (says %v) to %v", h.Kind, h.Type, h.from, h.Source, h.to)
			}
			if _, ok := h.Join(); ok {
				b := s.joined.Append(nil, wire.Standard, p.from)
				p.rawTo(netip.AddrPortFrom(h.from, group.Port()), b)
			}
			if m, ok := h.Wanted(); ok {
				for first, n := range m.Blocks.Runs() {
					for i := range n {
						b := bytes.Clone(s.blocks[[2]int32{m.Chunk, int32(first + i)}])
						copy(b[12:16], p.from[:])
						p.raw(b)
					}
				}
			}
			if m, ok := h.Leave2(); ok {
				left = true
				if m.ID != c.id || m.Stats.Version != wire.StatsVersion || m.Stats.Written != uint64(len(s.file)) || !bytes.Equal(h.data[16+8+128:], make([]byte, 900)) {
					t.Errorf("leaves with %+v", m)
				}
			}
		}
		<-done
		c.check(t, s.file)
		if kinds[wire.KindJoin] == 0 || kinds[wire.KindJoin2] == 0 || kinds[wire.KindRequest]+kinds[wire.KindPartial] < 3 {
			t.Errorf("the client sent %v", kinds)
		}
	}
}
