package multicast

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const port = 9000

var group = netip.MustParseAddrPort("239.192.7.1:9000")

// space is a network namespace.
type space struct {
	fd int
	nl *netlink.Handle
}

func newSpace(t testing.TB) *space {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	type result struct {
		fd  int
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{-1, err}
			return
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		made <- result{fd, err}
	}()
	r := <-made
	if errors.Is(r.err, unix.EPERM) {
		t.Skipf("may not make a network namespace: %v", r.err)
	} else if r.err != nil {
		t.Fatal(r.err)
	}
	s := &space{fd: r.fd}
	t.Cleanup(func() { unix.Close(s.fd) })
	s.do(func() {
		var err error
		if s.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(s.nl.Close)
	return s
}

// do runs f in the namespace. A socket stays in the one that it was made in.
func (s *space) do(f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(s.fd, unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		panic(err)
	}
}

func (s *space) open(t testing.TB, cfg Config) *Conn {
	t.Helper()
	var c *Conn
	var err error
	s.do(func() { c, err = Open(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// room is a bridge with machines on it: space i has interface eth0 with
// address 10.9.0.i+1.
type room struct {
	bridge *space
	nodes  []*space
}

func newRoom(t testing.TB, n int) *room {
	t.Helper()
	r := &room{bridge: newSpace(t)}
	r.addBridge(t, "br0")
	for i := range n {
		node := newSpace(t)
		r.nodes = append(r.nodes, node)
		r.plug(t, node, "eth0", "br0", fmt.Sprintf("10.9.0.%d/24", i+1))
	}
	return r
}

func (r *room) addBridge(t testing.TB, name string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := r.bridge.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Skipf("no bridge: %v", err)
	}
	up(t, r.bridge, name)
}

// plug lays a cable from the node's interface to the bridge.
func (r *room) plug(t testing.TB, node *space, name, bridge, addr string) {
	t.Helper()
	br, err := r.bridge.nl.LinkByName(bridge)
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = portOf(node, bridge)
	attrs.MasterIndex = br.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerNamespace: netlink.NsFd(node.fd)}
	if err := r.bridge.nl.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	up(t, r.bridge, attrs.Name)
	up(t, node, name)
	link, err := node.nl.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.nl.AddrAdd(link, a); err != nil {
		t.Fatal(err)
	}
	// The kernel takes up to a second to believe that there is a carrier.
	r.forwards(t, attrs.Name)
}

// portOf is the bridge's end of the node's cable.
func portOf(node *space, bridge string) string { return fmt.Sprintf("%s-%d", bridge, node.fd) }

// forwards waits until the bridge forwards to its port.
func (r *room) forwards(t testing.TB, port string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		link, err := r.bridge.nl.LinkByName(port)
		if err != nil {
			t.Fatal(err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %s", port, link.Attrs().OperState)
		}
	}
	up(t, r.bridge, port) // is up already, and comes after what the kernel is about
}

func up(t testing.TB, s *space, name string) {
	t.Helper()
	link, err := s.nl.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.nl.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
}

// packets are n datagrams of which each is different.
func packets(n, size int) []Packet {
	pkts := make([]Packet, n)
	for i := range pkts {
		b := make([]byte, size)
		for j := range b {
			b[j] = byte(i*31 + j)
		}
		copy(b, fmt.Sprintf("%06d", i))
		cut := min(24, size)
		pkts[i] = Packet{b[:cut], b[cut:]}
	}
	return pkts
}

func send(t testing.TB, c *Conn, pkts []Packet) {
	t.Helper()
	if _, err := c.Send(t.Context(), pkts); err != nil {
		t.Fatal(err)
	}
}

// got is a copy of a datagram.
type got struct {
	Data     string
	From, To string
	Cut      bool
}

// receive takes n datagrams, or fewer if they do not come.
func receive(t testing.TB, c *Conn, n int) []got {
	t.Helper()
	var all []got
	for len(all) < n {
		batch, err := c.Receive(t.Context(), time.Now().Add(time.Second))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d datagrams of %d; %+v", len(all), n, c.Stats())
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			all = append(all, got{string(d.Data), d.From.String(), d.To.String(), d.Truncated})
		}
	}
	return all
}

// silent fails if there is anything to receive. What was sent to the socket
// before has arrived: the namespaces' wires have no delay.
func silent(t testing.TB, c *Conn) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if batch, err := c.Receive(ctx, time.Now().Add(20*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("received %d datagrams, error %v; want only to wait", len(batch), err)
	}
}

func want(pkts []Packet, from, to string) []got {
	var all []got
	for _, p := range pkts {
		all = append(all, got{Data: string(p.Header) + string(p.Data), From: from, To: to})
	}
	return all
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
