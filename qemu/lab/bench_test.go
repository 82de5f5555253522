package lab

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
			conn, err := l.Server.ListenUDP(0)
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
			const window = 1024
			payload := make([]byte, 1472)
			b.SetBytes(int64(len(payload) + 42))
			tick := time.NewTicker(100 * time.Microsecond)
			defer tick.Stop()
			start, spent := seen(), cpu(b)
			b.ResetTimer()
			for i := range b.N {
				if _, err := conn.WriteToUDPAddrPort(payload, group); err != nil {
					b.Fatal(err)
				}
				if i%64 == 0 || i == b.N-1 {
					for floor := uint64(max(i-window, 0)); seen()-start < floor; <-tick.C {
					}
				}
			}
			for seen()-start < uint64(b.N) {
				<-tick.C
			}
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
