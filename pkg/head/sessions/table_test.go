package sessions

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/multicast"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// network is a head on two networks: lab.Interface with the lab's address, and
// br1 with 10.66.0.1.
type network struct {
	*lab.Lab
	t     *testing.T
	store *images.Store
	table *Table
}

func newNetwork(t *testing.T, o Options) *network {
	t.Helper()
	n := &network{Lab: lab.ForTest(t, lab.Options{Nodes: 1}), t: t}
	n.do(func() error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br1"}}
		addr, err := netlink.ParseAddr("10.66.0.1/24")
		return errors.Join(err, netlink.LinkAdd(br), netlink.AddrAdd(br, addr), netlink.LinkSetUp(br))
	})
	dir := t.TempDir()
	var err error
	if n.store, err = images.OpenOrbit(dir, images.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n.table, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.table.Close() })
	return n
}

func (n *network) do(f func() error) {
	n.t.Helper()
	if err := n.Server.Do(f); err != nil {
		n.t.Fatal(err)
	}
}

// join asks for the session of an image, on the network of one of the head's
// addresses.
func (n *network) join(name, addr string) (room api.Room, err error) {
	err = n.Server.Do(func() error {
		iface, err := Interface(netip.MustParseAddr(addr))
		if err != nil {
			return err
		}
		image, err := Open(n.store, name)
		if err != nil {
			return err
		}
		room, err = n.table.Join(image, iface)
		return err
	})
	return room, err
}

func (n *network) must(name, addr string) api.Room {
	n.t.Helper()
	room, err := n.join(name, addr)
	if err != nil {
		n.t.Fatal(err)
	}
	return room
}

// There is a session for each network on which an image is asked for.
func TestTwoNetworks(t *testing.T) {
	n := newNetwork(t, Options{})
	own := n.Server.Addr.String()
	one, two := n.must("a", own), n.must("a", "10.66.0.1")
	if one.Peer.Addr() == two.Peer.Addr() || one.Peer.Port() == two.Peer.Port() || one.ETag != two.ETag {
		t.Errorf("rooms %+v and %+v", one, two)
	}
	if one.Server != n.Server.Addr || two.Server != netip.MustParseAddr("10.66.0.1") {
		t.Errorf("servers %s and %s", one.Server, two.Server)
	}
	if again := n.must("a", "::ffff:10.66.0.1"); again != two {
		t.Errorf("room %+v, want %+v", again, two)
	}
	list := n.table.List()
	if len(list) != 2 || list[0].Interface != lab.Interface || list[1].Interface != "br1" {
		t.Errorf("sessions %+v", list)
	}
	if s, ok := n.table.Find(two.ETag, "br1"); !ok || s.Room != two {
		t.Errorf("found %+v, %v", s, ok)
	}
	if _, ok := n.table.Find(two.ETag, "br2"); ok {
		t.Error("found a session where there is none")
	}
	for addr, words := range map[string]string{"127.0.0.1": "interface lo", "10.66.0.9": "no interface has", "fe80::1": "for IPv4"} {
		var none *NetworkError
		if _, err := n.join("a", addr); !errors.As(err, &none) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", addr, err, words)
		}
	}
}

// A session that nobody uses makes room for another, if it has had its time.
func TestLimit(t *testing.T) {
	n := newNetwork(t, Options{Most: 2, Idle: time.Hour})
	own := n.Server.Addr.String()
	a, b := n.must("a", own), n.must("b", own)
	var full *FullError
	if _, err := n.join("c", own); !errors.As(err, &full) {
		t.Errorf("a third session: %v", err)
	}
	n.table.mu.Lock()
	for k, s := range n.table.runs {
		if s.last = time.Now().Add(-spare); k.etag == b.ETag {
			s.last = s.last.Add(-time.Second)
		}
	}
	n.table.mu.Unlock()
	c := n.must("c", own)
	list := n.table.List()
	if len(list) != 2 || list[0].Room != a || list[1].Room != c {
		t.Errorf("sessions %+v", list)
	}
	if err := n.table.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.join("b", own); !errors.Is(err, ErrEnded) {
		t.Errorf("a session after the end: %v", err)
	}
	if list := n.table.List(); len(list) != 0 {
		t.Errorf("sessions after the end: %+v", list)
	}
}

// A real client that is in the room may be silent for long, because it fills a disk
// with zeros, and nothing else has the image for it: its session waits. That of an
// Orbit node, which goes on by HTTP, does not.
func TestPatience(t *testing.T) {
	n := newNetwork(t, Options{Idle: time.Second})
	own := n.Server.Addr.String()
	real, ours := n.must("a", own), n.must("b", own)
	say := func(room api.Room, m wire.Message) {
		t.Helper()
		if err := n.Nodes[0].Do(func() error { return tell(room.Peer, m) }); err != nil {
			t.Fatal(err)
		}
	}
	say(real, wire.Join{ID: 1})
	say(ours, wire.Join2{ID: 1, Blocks: wire.UnderstandsCoded})
	running := func(room api.Room) bool {
		_, ok := n.table.Find(room.ETag, lab.Interface)
		return ok
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	until("the session of Orbit's node does not end", func() bool { return !running(ours) })
	if s, ok := n.table.Find(real.ETag, lab.Interface); !ok || s.Clients != 1 {
		t.Fatalf("the session has ended under a real client's feet: %+v", s)
	}
	say(real, wire.Leave{ID: 1})
	until("a session does not end that a real client has left", func() bool { return !running(real) })
}

// What a host that never joined says that it lost is not the room's loss.
func TestLostByStrangers(t *testing.T) {
	n := newNetwork(t, Options{})
	room := n.must("a", n.Server.Addr.String())
	say := func(m wire.Message) {
		t.Helper()
		if err := n.Nodes[0].Do(func() error { return tell(room.Peer, m) }); err != nil {
			t.Fatal(err)
		}
	}
	lost := func() uint64 { // after the only block was asked for, and sent, several times
		t.Helper()
		var s api.Session
		for range 4 {
			before := s.Bytes
			say(wire.Request{Count: 1})
			for end := time.Now().Add(10 * time.Second); s.Bytes == before; time.Sleep(10 * time.Millisecond) {
				if s, _ = n.table.Find(room.ETag, lab.Interface); time.Now().After(end) {
					t.Fatal("the session sends nothing")
				}
			}
		}
		return s.Lost
	}
	if got := lost(); got != 0 {
		t.Errorf("a stranger loses %d blocks for all", got)
	}
	say(wire.Join{ID: 1})
	if got := lost(); got == 0 {
		t.Error("one that has joined loses nothing")
	}
}

// A node that was told of a session first compares its disk with the image, which
// takes minutes if much of it is right already. The session is there yet.
func TestDefaultIdle(t *testing.T) {
	n := newNetwork(t, Options{})
	room := n.must("a", n.Server.Addr.String())
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	s := n.table.runs[key{room.ETag, lab.Interface}]
	n.table.idle(s) // counts what was said so far
	for reading, want := range map[time.Duration]bool{25 * time.Minute: false, 31 * time.Minute: true} {
		s.last = time.Now().Add(-reading)
		if got := n.table.idle(s); got != want {
			t.Errorf("after %v idle is %v", reading, got)
		}
	}
}

// tell sends a packet to a session.
func tell(peer netip.AddrPort, m wire.Message) error {
	conn, err := multicast.Open(multicast.Config{Peer: peer, Interface: lab.Interface})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Send(context.Background(), []multicast.Packet{{Data: m.Append(nil, wire.Standard, conn.Local().As4())}})
	return err
}

// All groups and ports of a range are used, and none twice.
func TestGroups(t *testing.T) {
	n := newNetwork(t, Options{Groups: netip.MustParsePrefix("239.128.1.254/30"), First: 9000, Last: 9001})
	own := n.Server.Addr.String()
	a, b := n.must("a", own), n.must("b", own)
	if a.Peer.Addr() == b.Peer.Addr() || a.Peer.Port() == b.Peer.Port() {
		t.Errorf("rooms at %s and %s", a.Peer, b.Peer)
	}
	if _, err := n.join("c", own); err == nil || !strings.Contains(err.Error(), "9000-9001") {
		t.Errorf("a third port of two: %v", err)
	}
}

func TestUsableGroups(t *testing.T) {
	for _, test := range []struct {
		group string
		want  bool
	}{
		{"239.192.0.0", true}, {"239.255.255.255", true}, {"239.128.1.0", true},
		{"239.128.0.7", false}, {"239.0.0.1", false}, {"224.0.0.1", false},
	} {
		if got := usable(netip.MustParseAddr(test.group)); got != test.want {
			t.Errorf("%s usable %v, want %v", test.group, got, test.want)
		}
	}
	table, err := New(Options{Groups: netip.MustParsePrefix("239.128.0.0/23")})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for range 300 {
		g, err := table.group()
		if err != nil || !usable(g) || !table.o.Groups.Contains(g) {
			t.Fatalf("group %s, %v", g, err)
		}
	}
}
