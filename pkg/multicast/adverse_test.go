package multicast

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestRefused sends to nobody, whose refusal must not harm what comes next.
func TestRefused(t *testing.T) {
	r := newRoom(t, 2)
	c := r.nodes[0].open(t, Config{Peer: addrPort("10.9.0.2:9000"), Interface: "eth0"})
	c.raw.Control(func(fd uintptr) {
		// Errors are told of even to a socket that is not connected.
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
			t.Error(err)
		}
	})
	w := r.nodes[0].tap(t, "eth0")
	refused := func() {
		t.Helper()
		if _, err := c.Send(t.Context(), packets(1, 100)); err != nil {
			t.Fatal(err)
		}
		if len(w.read(t, unix.IPPROTO_ICMP, 1)) == 0 {
			t.Fatal("nothing was refused")
		}
	}
	refused()
	refused() // that of the first is passed over when sending
	silent(t, c)
	if c.Stats().Errors == 0 {
		t.Error("no error was passed over")
	}
	peer := r.nodes[1].open(t, Config{Peer: addrPort("10.9.0.1:9000"), Interface: "eth0"})
	send(t, c, packets(10, 100))
	receive(t, peer, 10)
	send(t, peer, packets(10, 100))
	receive(t, c, 10)
}

func TestTruncated(t *testing.T) {
	r := newRoom(t, 2)
	server := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	for path, cfg := range paths {
		cfg.Peer, cfg.Interface, cfg.Size = group, "eth0", 300
		c := r.nodes[1].open(t, cfg)
		pkts := append(packets(3, 301), packets(1, 300)...)
		send(t, server, pkts)
		w := want(pkts, "10.9.0.1:9000", "239.192.7.1")
		for i := range 3 {
			w[i].Data, w[i].Cut = w[i].Data[:300], true
		}
		if diff := cmp.Diff(w, receive(t, c, 4)); diff != "" {
			t.Errorf("%s (-want +received):\n%s", path, diff)
		}
		if n := c.Stats().Truncated; n != 3 {
			t.Errorf("%s: %d truncated", path, n)
		}
		c.Close()
	}
}

func TestDropsAreCounted(t *testing.T) {
	r := newRoom(t, 2)
	server := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	c := r.nodes[1].open(t, Config{Peer: group, Interface: "eth0", ReceiveBuffer: 32 << 10, NoOffload: true})
	if n, _ := c.Buffers(); n < 32<<10 || n > 64<<10 {
		t.Errorf("receive buffer is %d bytes", n)
	}
	send(t, server, packets(1000, 1000))
	for s := c.Stats(); s.Received+s.Dropped < 1000; s = c.Stats() {
		if _, err := c.Receive(t.Context(), time.Now().Add(time.Second)); err != nil {
			t.Fatalf("%v after %+v", err, s)
		}
	}
	silent(t, c)
	if s := c.Stats(); s.Dropped == 0 || s.Received == 0 || s.Received+s.Dropped != 1000 {
		t.Errorf("of 1000 datagrams: %+v", s)
	}
}

// TestStrangersDoNotHoldUp has more of what is left out than one call takes.
func TestStrangersDoNotHoldUp(t *testing.T) {
	c, err := Open(Config{Peer: addrPort("127.0.0.1:9117"), Interface: "lo", NoOffload: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := Open(Config{Peer: addrPort("127.255.255.255:9118"), Interface: "lo", NoOffload: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.SendTo(t.Context(), addrPort("127.255.255.255:9117"), packets(150, 10)); err != nil {
		t.Fatal(err)
	}
	for c.Stats().Foreign < 128 {
		if _, err := c.Receive(t.Context(), time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if n := c.Stats().Foreign; n%64 != 0 {
			t.Fatalf("passed over %d datagrams, want one call's", n)
		}
	}
}

func TestReceiveEnds(t *testing.T) {
	c, err := Open(Config{Peer: addrPort("127.0.0.1:9113"), Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	silent(t, c)
	// An end of one context leaves the next alone.
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := c.Receive(ctx, time.Time{})
			ended <- err
		}()
		runtime.Gosched()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	silent(t, c)
	send(t, c, packets(1, 10))
	receive(t, c, 1)
	ended := make(chan error)
	go func() {
		_, err := c.Receive(t.Context(), time.Time{})
		ended <- err
	}()
	runtime.Gosched()
	c.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("receive on a closed socket: %v", err)
	}
	if _, err := c.Send(t.Context(), packets(1, 10)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("send on a closed socket: %v", err)
	}
	if err := c.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// TestSendEnds fills the send buffer with datagrams for a machine whose
// hardware address is asked for in vain, for seconds.
func TestSendEnds(t *testing.T) {
	r := newRoom(t, 2)
	c := r.nodes[0].open(t, Config{Peer: addrPort("10.9.0.2:9000"), Interface: "eth0", SendBuffer: 16 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		overruns int
		err      error
	}
	ended := make(chan result)
	start := func(ctx context.Context) {
		go func() {
			n, err := c.SendTo(ctx, addrPort("10.9.0.99:9000"), packets(1000, 1000))
			ended <- result{n, err}
		}()
	}
	start(ctx)
	for c.Stats().Overruns == 0 {
		runtime.Gosched()
	}
	cancel()
	if r := <-ended; !errors.Is(r.err, context.Canceled) || r.overruns == 0 || c.Stats().Overruns != uint64(r.overruns) {
		t.Errorf("%+v, %+v", r, c.Stats())
	}
	// It goes on when there is room again.
	start(t.Context())
	link, err := r.nodes[0].nl.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nodes[0].nl.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: net.IPv4(10, 9, 0, 99), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 99},
	}); err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.err != nil {
		t.Error(r.err)
	}
}

func TestNothingLeaks(t *testing.T) {
	r := newRoom(t, 1)
	count := func() (fds, goroutines int) {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names), runtime.NumGoroutine()
	}
	fds, goroutines := count()
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := tryOpen(r.nodes[0], Config{Peer: group, Interface: "eth0", Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, packets(10, 100))
		receive(t, c, 10)
		if _, err := c.Receive(ctx, time.Now().Add(time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if _, err := tryOpen(r.nodes[0], Config{Peer: group, Interface: "eth0"}); err == nil {
			t.Error("the port was free")
		}
		c.Close()
		cancel()
	}
	// The threads that entered the namespace end on their own time.
	f, g := count()
	for end := time.Now().Add(time.Second); g > goroutines && time.Now().Before(end); _, g = count() {
		runtime.Gosched()
	}
	if f > fds || g > goroutines {
		t.Errorf("%d file descriptors and %d goroutines, before %d and %d", f, g, fds, goroutines)
	}
}
