package lab

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Streams go through whatever makes the faults: checksums that the kernel left
// to the hardware are not broken on the way.
func TestStream(t *testing.T) {
	for _, test := range []struct {
		name     string
		relay    bool
		down, up Impairment
	}{
		{"good cable", false, Impairment{}, Impairment{}},
		{"kernel", false, Impairment{Loss: 0.005}, Impairment{Loss: 0.005, Rate: 1e9}},
		{"good relay", true, Impairment{}, Impairment{}},
		{"relay", true, Impairment{Bursts: Bursts{0.005, 2}, Reorder: 0.01, Duplicate: 0.01, Delay: 200 * time.Microsecond}, Impairment{Loss: 0.005}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := ForTest(t, Options{Nodes: 1, Relay: test.relay})
			n := l.Nodes[0]
			if err := n.Impair(test.down, test.up); err != nil {
				t.Fatal(err)
			}
			var listener net.Listener
			err := l.Server.Do(func() (err error) {
				listener, err = net.Listen("tcp4", l.Server.Addr.String()+":0")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var seed [32]byte
			data := make([]byte, 3_000_000)
			rand.NewChaCha8(seed).Read(data)
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })}
			served := make(chan error, 1)
			go func() { served <- s.Serve(listener) }()
			defer func() { s.Close(); <-served }()
			client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}, Timeout: 20 * time.Second}
			response, err := client.Get("http://" + listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes of %d, or others (%v)", len(got), len(data), err)
			}
		})
	}
}

// Without Offload a large send is as many frames as it has segments, and each
// is lost by itself.
func TestSegments(t *testing.T) {
	const segments, size, sends = 10, 1400, 20
	for _, test := range []struct {
		name string
		o    Options
	}{{"wire", Options{}}, {"offload", Options{Offload: true}}, {"relay", Options{Relay: true}}} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Nodes = 1
			l := ForTest(t, test.o)
			n := l.Nodes[0]
			if test.o.Relay {
				if err := n.Impair(Impairment{}, Impairment{}); err != nil {
					t.Fatal(err)
				}
			}
			conn := server(t, l)
			raw, err := conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var failed error
			err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) })
			if err != nil || failed != nil {
				t.Skipf("no segments: %v, %v", err, failed)
			}
			r := join(t, n.Host)
			before, err := n.Report()
			if err != nil {
				t.Fatal(err)
			}
			// A datagram of the receiver's numbers for each segment.
			for range sends {
				if _, err := conn.WriteToUDPAddrPort(make([]byte, segments*size), group); err != nil {
					t.Fatal(err)
				}
			}
			sendAll(t, conn, group, 0, 100, r)
			after, err := n.Report()
			if err != nil {
				t.Fatal(err)
			}
			frames := after.Received.Frames - before.Received.Frames
			few, enough := frames < segments*sends/2, frames >= segments*sends
			if len(r.order) != segments*sends || test.o.Offload && !few || !test.o.Offload && !enough {
				t.Errorf("%d datagrams in %d frames, sent %d in %d", len(r.order), frames, segments*sends, sends)
			}
		})
	}
}

// The rooms of the benchmark can be made, and all in them hear.
func TestManyNodes(t *testing.T) {
	for _, test := range []struct {
		nodes int
		bad   Impairment
	}{
		{32, Impairment{}},
		{16, Impairment{Loss: 0.1, Bursts: Bursts{0.1, 5}, Reorder: 0.05, Duplicate: 0.05, Delay: time.Millisecond, Jitter: time.Millisecond}},
	} {
		t.Run(fmt.Sprint(test.nodes), func(t *testing.T) {
			start := time.Now()
			l := ForTest(t, Options{Nodes: test.nodes})
			var all []*receiver
			for _, n := range l.Nodes {
				if err := n.Impair(test.bad, test.bad); err != nil {
					t.Fatal(err)
				}
				all = append(all, join(t, n.Host))
			}
			t.Logf("made in %v", time.Since(start))
			const count = 500
			sendAll(t, server(t, l), group, count, 1000, all...)
			report, err := l.Report()
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range all {
				down := report.Nodes[i].Down
				// Each frame is lost by the same chance on each cable, and on none alike.
				least, most := count*6/10, count*95/100
				if test.bad == (Impairment{}) {
					least, most = count, count
				}
				if n := len(r.order); n < least || n > most || down.Overrun > 0 {
					t.Errorf("%s got %d datagrams, want %d to %d: %+v", l.Nodes[i].Name, n, least, most, down)
				}
				if i > 0 && test.bad != (Impairment{}) && slices.Equal(r.order, all[0].order) {
					t.Errorf("%s has the same faults as %s", l.Nodes[i].Name, l.Nodes[0].Name)
				}
			}
		})
	}
}

func TestImpossibleOptions(t *testing.T) {
	for _, o := range []Options{{Nodes: -1}, {MTU: 10}, {Rate: -1}, {Offload: true, Relay: true},
		{Snooping: true, Querier: true, Forget: 1}, {Snooping: true, Forget: time.Minute}} {
		if l, err := New(o); err == nil {
			l.Close()
			t.Errorf("%+v made a lab", o)
		}
	}
	l := ForTest(t, Options{Nodes: 1, Offload: true})
	if err := l.Nodes[0].Impair(Impairment{Loss: 0.1}, Impairment{}); err == nil {
		t.Error("loss of frames larger than on a wire")
	}
}
