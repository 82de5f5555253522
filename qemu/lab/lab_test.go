package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// The tests of one process run one after the other: they are about counts that
// a machine busy with another lab might spoil.

var group = netip.MustParseAddrPort("239.77.0.1:7000")

// receiver counts numbered datagrams on a node until it reads the last one.
type receiver struct {
	conn  *net.UDPConn
	order []uint32
	done  chan struct{}
}

const last = ^uint32(0)

func receive(t *testing.T, conn *net.UDPConn) *receiver {
	r := &receiver{conn: conn, done: make(chan struct{})}
	t.Cleanup(func() { conn.Close(); <-r.done })
	go func() {
		defer close(r.done)
		b := make([]byte, 2048)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			v := binary.BigEndian.Uint32(b[:n])
			if v == last {
				return
			}
			r.order = append(r.order, v)
		}
	}()
	return r
}

func join(t *testing.T, h *Host) *receiver {
	t.Helper()
	conn, err := h.ListenMulticast(group)
	if err != nil {
		t.Fatal(err)
	}
	return receive(t, conn)
}

// sendAll sends count numbered datagrams of size bytes to dest and then the
// last one, again and again, until all receivers have it.
func sendAll(t *testing.T, conn *net.UDPConn, dest netip.AddrPort, count, size int, to ...*receiver) {
	t.Helper()
	b := make([]byte, size)
	send := func(v uint32) {
		binary.BigEndian.PutUint32(b, v)
		if _, err := conn.WriteToUDPAddrPort(b, dest); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		send(uint32(i))
	}
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	giveUp := time.After(10 * time.Second)
	for _, r := range to {
		for waiting := true; waiting; {
			send(last)
			select {
			case <-r.done:
				waiting = false
			case <-again.C:
			case <-giveUp:
				t.Fatal("a receiver did not get the last datagram within 10 s")
			}
		}
	}
}

func server(t *testing.T, l *Lab) *net.UDPConn {
	t.Helper()
	conn, err := l.Server.ListenUDP(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestReachesAll(t *testing.T) {
	l := ForTest(t, Options{Nodes: 3})
	if _, err := l.AddNode(); err != nil {
		t.Fatal(err)
	}
	before, err := l.Report()
	if err != nil {
		t.Fatal(err)
	}
	var all []*receiver
	for _, n := range l.Nodes {
		all = append(all, join(t, n.Host))
	}
	const count = 100
	sendAll(t, server(t, l), group, count, 1000, all...)
	for i, r := range all {
		if len(r.order) != count {
			t.Errorf("%s got %d datagrams by multicast, want %d", l.Nodes[i].Name, len(r.order), count)
		}
	}
	for _, n := range l.Nodes {
		if err := ping(l.Server, n.Addr); err != nil {
			t.Errorf("server pings %s: %v", n.Name, err)
		}
		if err := ping(n.Host, l.Server.Addr); err != nil {
			t.Errorf("%s pings server: %v", n.Name, err)
		}
	}
	after, err := l.Report()
	if err != nil {
		t.Fatal(err)
	}
	d := after.Since(before)
	// Multicast leaves the server once, whoever listens.
	if got := d.Server.Sent.Bytes; got < count*1042 || got > count*1042+20_000 {
		t.Errorf("server sent %d bytes for %d datagrams of 1000 bytes", got, count)
	}
	for _, n := range d.Nodes {
		if n.Received.Frames < count || n.Received.Bytes < count*1042 {
			t.Errorf("%s received %+v, want at least %d frames of 1042 bytes", n.Name, n.Received, count)
		}
	}
}

// ping sends echo requests to addr until one is answered.
func ping(from *Host, addr netip.Addr) error {
	var conn *icmp.PacketConn
	err := from.Do(func() (err error) {
		conn, err = icmp.ListenPacket("ip4:icmp", from.Addr.String())
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: []byte("orbit")}}).Marshal(nil)
	if err != nil {
		return err
	}
	b := make([]byte, 1500)
	for range 20 {
		if _, err := conn.WriteTo(request, &net.IPAddr{IP: addr.AsSlice()}); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return err
		}
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				break
			}
			if m, err := icmp.ParseMessage(1, b[:n]); err == nil && m.Type == ipv4.ICMPTypeEchoReply {
				return nil
			}
		}
	}
	return fmt.Errorf("no answer from %s", addr)
}

func TestCommandRunsOnHost(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	l := ForTest(t, Options{Nodes: 1})
	cmd := exec.Command("ip", "-o", "-4", "address", "show", "dev", Interface)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := l.Nodes[0].Run(cmd); err != nil {
		t.Fatal(err)
	}
	if want := l.Nodes[0].Addr.String() + "/16"; !strings.Contains(out.String(), want) {
		t.Errorf("ip says %q, want %s in it", out.String(), want)
	}
}

// eventually looks until what is going to happen has happened.
func eventually(t *testing.T, happened func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for giveUp := time.Now().Add(10 * time.Second); !happened(); <-again.C {
		if time.Now().After(giveUp) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}
