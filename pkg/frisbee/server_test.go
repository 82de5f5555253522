package frisbee

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// blocks makes a set of blocks.
func blocks(of ...int) (m wire.Bitmap) {
	for _, b := range of {
		m.Set(b)
	}
	return m
}

// TestServerAnswers speaks to a server by hand.
func TestServerAnswers(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(2<<20 + 12345) // 13 blocks in the last chunk
	s := serve(t, l, data, ServerOptions{Rate: 100e6})
	p := newPeer(t, l.Nodes[0].Host, group)
	server := l.Server.Addr

	// control is what is not a block: it must come to this machine alone.
	control := func(want wire.Message) {
		t.Helper()
		h := p.want()
		if diff := cmp.Diff(want, h.Message()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if h.Type != wire.TypeReply || h.from != server || h.to != l.Nodes[0].Addr || h.Source != server.As4() {
			t.Errorf("answer of type %d from %v (says %v) to %v", h.Type, h.from, h.Source, h.to)
		}
	}
	// data expects blocks of a chunk, and nothing else.
	expect := func(chunk int32, want ...int) {
		t.Helper()
		for _, index := range want {
			h := p.want()
			b, ok := h.Block()
			off := int(chunk)<<20 + index<<10
			content := make([]byte, 1024)
			copy(content, data[off:min(off+1024, len(data))])
			if !ok || b.Chunk != chunk || int(b.Index) != index || !bytes.Equal(b.Data, content) {
				t.Fatalf("got %v of chunk %d, block %d; want chunk %d, block %d with its data", h.Kind, b.Chunk, b.Index, chunk, index)
			}
			if h.Type != wire.TypeRequest || h.from != server || h.to != group.Addr() || len(h.data) != 1048 {
				t.Errorf("block of type %d and %d bytes from %v to %v", h.Type, len(h.data), h.from, h.to)
			}
		}
	}

	p.send(wire.Join{ID: 7})
	control(wire.JoinReply{Blocks: 2048 + 13})
	p.send(wire.Join2{ID: 9, ChunkBlocks: 77, BlockSize: 88})
	control(wire.Join2Reply{ID: 9, ChunkBlocks: 1024, BlockSize: 1024, Bytes: uint64(len(data))})
	p.send(wire.Request{Chunk: 2, First: 5, Count: 8})
	expect(2, 5, 6, 7, 8, 9, 10, 11, 12)
	p.send(wire.Partial{Chunk: 0, Retries: 1, Blocks: blocks(3, 4, 700)})
	expect(0, 3, 4, 700)
	one := wire.Request{Chunk: 1, First: 1023, Count: 1}
	p.rawTo(netip.AddrPortFrom(server, group.Port()), one.Append(nil, wire.Standard, p.from))
	expect(1, 1023)

	// What is not to be served: none of it brings anything, and the next good
	// request is served.
	bad := 0
	for _, m := range []wire.Message{
		wire.Request{Chunk: 0, First: 0, Count: 0}, wire.Request{Chunk: 0, First: 0, Count: -1},
		wire.Request{Chunk: 0, First: 1<<31 - 1, Count: 1<<31 - 1}, wire.Request{Chunk: 0, First: 1000, Count: 25},
		wire.Request{Chunk: 3, First: 0, Count: 1}, wire.Request{Chunk: -1, First: 0, Count: 1},
		wire.Request{Chunk: 2, First: 0, Count: 14},
		wire.Partial{Chunk: 0}, wire.Partial{Chunk: 2, Blocks: blocks(13)},
	} {
		p.send(m)
		bad++
	}
	for n := range len(one.Append(nil, wire.Standard, p.from)) {
		p.raw(one.Append(nil, wire.Standard, p.from)[:n])
		bad++
	}
	p.raw(one.Append(nil, wire.Standard, [4]byte{10, 98, 0, 99})) // says that it is another's
	bad++
	reply := one.Append(nil, wire.Standard, p.from)
	reply[0] = byte(wire.TypeReply)
	p.raw(reply)
	p.send(wire.JoinReply{Blocks: 5})
	p.send(wire.Join2Reply{ID: 9, ChunkBlocks: 1, BlockSize: 1, Bytes: 1})
	p.send(wire.Block{Chunk: 0, Index: 0, Data: data[:1024]})
	p.send(wire.Progress{})
	foreign := 5
	other, err := l.Nodes[0].ListenUDP(0) // another port
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.WriteTo(one.Append(nil, wire.Standard, p.from), net.UDPAddrFromAddrPort(netip.AddrPortFrom(server, group.Port()))); err != nil {
		t.Fatal(err)
	}
	foreign++
	p.send(wire.Request{Chunk: 0, First: 0, Count: 2})
	expect(0, 0, 1)

	p.send(wire.ProgressReply{ID: 9, Who: p.from, What: wire.ProgressSummary, Seq: 3, Received: 2, Expanded: 1, Written: 1 << 20})
	stats := wire.Stats{Version: wire.StatsVersion, RunSeconds: 3, Written: 99}
	p.send(wire.Leave2{ID: 1, Seconds: 5, Stats: stats}) // not a client's id
	p.send(wire.Leave2{ID: 9, Seconds: 5, Stats: stats})
	p.send(wire.Leave2{ID: 9, Seconds: 5, Stats: stats})
	p.send(wire.Join{ID: 10})
	control(wire.JoinReply{Blocks: 2048 + 13})
	me := l.Nodes[0].Addr
	want := []Event{
		{Kind: Joined, Client: me, ID: 7},
		{Kind: Joined, Client: me, ID: 9},
		{Kind: Progress, Client: me, ID: 9, Report: &wire.ProgressReply{
			ID: 9, Who: p.from, What: wire.ProgressSummary, Seq: 3, Received: 2, Expanded: 1, Written: 1 << 20,
		}},
		{Kind: Left, Client: me, ID: 9, Elapsed: 5 * time.Second, Stats: &stats},
		{Kind: Joined, Client: me, ID: 10},
	}
	if diff := cmp.Diff(want, s.told(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	n := s.Stats()
	if n.Bad != uint64(bad) || n.Foreign != uint64(foreign) {
		t.Errorf("%d bad packets and %d foreign ones; want %d and %d", n.Bad, n.Foreign, bad, foreign)
	}
}

// TestServerEnds lets sessions end by themselves.
func TestServerEnds(t *testing.T) {
	ended := func(t *testing.T, s *running, within time.Duration) {
		t.Helper()
		select {
		case <-s.done:
			if s.err != nil {
				t.Error(s.err)
			}
		case <-time.After(within):
			t.Error("the session does not end")
		}
	}
	t.Run("idle", func(t *testing.T) {
		l := lab.ForTest(t, lab.Options{})
		ended(t, serve(t, l, file(10), ServerOptions{Idle: 300 * time.Millisecond}), 5*time.Second)
	})
	t.Run("all have left", func(t *testing.T) {
		l := lab.ForTest(t, lab.Options{Nodes: 2})
		data := file(1 << 20)
		s := serve(t, l, data, ServerOptions{UntilLeft: true})
		a, b := client(t, l.Nodes[0].Host, len(data), ClientOptions{}), client(t, l.Nodes[1].Host, len(data), ClientOptions{})
		receiveAll(t, a, b)
		a.check(t, data)
		b.check(t, data)
		ended(t, s, 10*time.Second)
		left := 0
		for _, e := range s.told() {
			if e.Kind == Left && e.Stats != nil && e.Stats.Written == uint64(len(data)) {
				left++
			}
		}
		if left != 2 {
			t.Errorf("%d of 2 clients left with what they wrote: %+v", left, s.told())
		}
	})
	t.Run("the port is taken", func(t *testing.T) {
		l := lab.ForTest(t, lab.Options{})
		serve(t, l, file(10), ServerOptions{})
		err := l.Server.Do(func() error {
			_, err := NewServer(ServerOptions{File: bytes.NewReader(nil), Size: 1, Peer: group, Interface: lab.Interface})
			return err
		})
		if err == nil {
			t.Error("two servers have one port")
		}
	})
	t.Run("the file is cut short", func(t *testing.T) {
		l := lab.ForTest(t, lab.Options{Nodes: 1})
		o := ServerOptions{File: bytes.NewReader(file(1 << 20)), Size: 3 << 20, Peer: group, Interface: lab.Interface}
		var s *Server
		if err := l.Server.Do(func() (err error) { s, err = NewServer(o); return err }); err != nil {
			t.Fatal(err)
		}
		r := make(chan error, 1)
		go func() { r <- s.Run(t.Context()) }()
		c := client(t, l.Nodes[0].Host, 3<<20, ClientOptions{GiveUp: 300 * time.Millisecond})
		receiveAll(t, c)
		if c.err == nil {
			t.Error("a client got a file of which there is only a part")
		}
		select {
		case err := <-r:
			if err == nil {
				t.Error("the server ended without an error")
			}
		case <-time.After(5 * time.Second):
			t.Error("the server goes on with a file that is cut short")
		}
	})
}
