package lab

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// BenchmarkRelay sends full frames by multicast to nodes behind relays, as
// fast as the slowest of them takes them: a window of frames at a time.
func BenchmarkRelay(b *testing.B) {
	for _, nodes := range []int{1, 4} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			l, err := New(Options{Nodes: nodes, Relay: true})
			if err != nil {
				b.Skip(err)
			}
			defer l.Close()
			for _, n := range l.Nodes {
				if err := n.Impair(Impairment{Bursts: Bursts{0.01, 5}}, Impairment{}); err != nil {
					b.Fatal(err)
				}
			}
			// By bursts, as those send who have much to send: one by one, the
			// sender's system calls take longer than the relays.
			var conn *multicast.Conn
			err = l.Server.Do(func() (err error) {
				conn, err = multicast.Open(multicast.Config{Peer: group, Interface: Interface})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			seen := func() (least uint64) {
				least = ^uint64(0)
				for _, n := range l.Nodes {
					d, err := n.relay.down.faults()
					if err != nil || d.Overrun > 0 {
						b.Fatalf("the relay was too slow: %+v, %v", d, err)
					}
					least = min(least, d.Passed+d.Lost)
				}
				return least
			}
			const window, burst = 1024, 32
			payload := make([]byte, 1472)
			var packets [burst]multicast.Packet
			for i := range packets {
				packets[i].Data = payload
			}
			b.SetBytes(int64(len(payload) + 42))
			tick := time.NewTicker(100 * time.Microsecond)
			defer tick.Stop()
			start, spent := seen(), cpu(b)
			b.ResetTimer()
			for sent := 0; sent < b.N; sent += burst {
				if _, err := conn.Send(b.Context(), packets[:min(burst, b.N-sent)]); err != nil {
					b.Fatal(err)
				}
				for floor := uint64(max(sent-window, 0)); seen()-start < floor; <-tick.C {
				}
			}
			for seen()-start < uint64(b.N) {
				<-tick.C
			}
			b.StopTimer()
			// Beside others on the machine this says more than the time.
			each := float64(cpu(b)-spent) / float64(b.N)
			b.ReportMetric(each, "cpu-ns/op")
			b.ReportMetric(each/float64(nodes), "cpu-ns/frame")
		})
	}
}

// cpu is the time that this process has had.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
