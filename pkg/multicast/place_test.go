package multicast

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestGroupsOnOnePort(t *testing.T) {
	r := newRoom(t, 2)
	other := addrPort("239.192.7.2:9000")
	a := r.nodes[1].open(t, Config{Peer: group, Interface: "eth0", Reuse: true, NoOffload: true})
	b := r.nodes[1].open(t, Config{Peer: other, Interface: "eth0", Reuse: true})
	server := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	for _, to := range []string{"239.192.7.1:9000", "239.192.7.2:9000", "10.9.0.255:9000"} {
		pkts := packets(5, 100)
		var err error
		if to == "10.9.0.255:9000" {
			bc := r.nodes[0].open(t, Config{Peer: addrPort("255.255.255.255:9001"), Interface: "eth0"})
			_, err = bc.SendTo(t.Context(), addrPort(to), pkts)
		} else {
			_, err = server.SendTo(t.Context(), addrPort(to), pkts)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want(packets(5, 100), "10.9.0.1:9000", "239.192.7.1"), receive(t, a, 5)); diff != "" {
		t.Errorf("first group (-sent +received):\n%s", diff)
	}
	if diff := cmp.Diff(want(packets(5, 100), "10.9.0.1:9000", "239.192.7.2"), receive(t, b, 5)); diff != "" {
		t.Errorf("second group (-sent +received):\n%s", diff)
	}
	silent(t, a)
	silent(t, b)
	if f := a.Stats().Foreign; f != 5 {
		t.Errorf("left out %d datagrams, want the 5 broadcasts", f)
	}
	if _, err := tryOpen(r.nodes[1], Config{Peer: group, Interface: "eth0"}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("without Reuse: %v, want the port to be taken", err)
	}
}

func tryOpen(s *space, cfg Config) (c *Conn, err error) {
	s.do(func() { c, err = Open(cfg) })
	return c, err
}

// TestOtherInterface joins on one of two, also where the kernel does not tie
// the socket to it.
func TestOtherInterface(t *testing.T) {
	r := newRoom(t, 2)
	r.addBridge(t, "br1")
	r.plug(t, r.nodes[0], "eth1", "br1", "10.9.1.1/24")
	r.plug(t, r.nodes[1], "eth1", "br1", "10.9.1.2/24")
	near := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0", Reuse: true})
	far := r.nodes[0].open(t, Config{Peer: group, Interface: "eth1", Reuse: true})
	if far.Local() != addrPort("10.9.1.1:1").Addr() {
		t.Errorf("sends from %s", far.Local())
	}
	for _, tied := range []bool{true, false} {
		c := r.nodes[1].open(t, Config{Peer: group, Interface: "eth0"})
		// Something else joins on the other interface.
		also := r.nodes[1].open(t, Config{Peer: addrPort("239.192.7.1:9001"), Interface: "eth1"})
		if !tied {
			c.picky = true
			var err error
			c.raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "") })
			if err != nil {
				t.Fatal(err)
			}
		}
		send(t, far, packets(5, 100))
		if _, err := far.SendTo(t.Context(), addrPort("10.9.1.2:9000"), packets(5, 100)); err != nil {
			t.Fatal(err)
		}
		send(t, near, packets(3, 100))
		if diff := cmp.Diff(want(packets(3, 100), "10.9.0.1:9000", "239.192.7.1"), receive(t, c, 3)); diff != "" {
			t.Errorf("tied %t (-sent +received):\n%s", tied, diff)
		}
		silent(t, c)
		c.Close()
		also.Close()
	}
}

func TestRoute(t *testing.T) {
	r := newRoom(t, 2)
	r.nodes[0].do(func() {
		if name, err := Route(addrPort("10.9.0.2:1").Addr()); err != nil || name != "eth0" {
			t.Errorf("route over %s, error %v", name, err)
		}
		if name, err := Route(group.Addr()); err == nil {
			t.Errorf("a group without a route is reached over %s", name)
		}
	})
	for _, cfg := range []Config{
		{Peer: group},
		{Interface: "eth0"},
		{Peer: addrPort("[ff02::1]:9001"), Interface: "eth0"},
		{Peer: addrPort("239.192.7.1:0"), Interface: "eth0"},
		{Peer: group, Interface: "eth7"},
		{Peer: group, Interface: "lo"}, // has no address
		{Peer: group, Interface: "eth0", Size: 1 << 20},
		{Peer: group, Interface: "eth0", Batch: -1},
	} {
		if c, err := tryOpen(r.nodes[0], cfg); err == nil {
			c.Close()
			t.Errorf("%+v opened", cfg)
		}
	}
}

func TestInterfaceGoes(t *testing.T) {
	r := newRoom(t, 2)
	c := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	client := r.nodes[1].open(t, Config{Peer: group, Interface: "eth0"})
	nl := r.nodes[0].nl
	link, err := nl.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := nl.LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), packets(3, 100)); err == nil || !Temporary(err) {
		t.Errorf("sent on a link that is down: %v", err)
	}
	silent(t, c)
	if err := nl.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	// The bridge takes its time to forward again.
	for tries := 0; ; tries++ {
		send(t, c, packets(3, 100))
		_, err := client.Receive(t.Context(), time.Now().Add(50*time.Millisecond))
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || tries == 100 {
			t.Fatal(err)
		}
	}
	send(t, client, packets(3, 100))
	receive(t, c, 3) // it is still a member

	if err := nl.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), packets(3, 100)); !errors.Is(err, ErrGone) || Temporary(err) {
		t.Errorf("sent on a link that is gone: %v", err)
	}
	refresh := func() {
		if err := c.Refresh(); !errors.Is(err, ErrGone) || Temporary(err) {
			t.Errorf("reported on a link that is gone: %v", err)
		}
	}
	r.nodes[0].do(refresh)
	without(t, unix.EPERM, []uint32{unix.SYS_SOCKET}, refresh)
	silent(t, c)
}
