package lab

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const datagrams = 20_000

// through sends datagrams by multicast through a node's cable and returns what
// arrived and what the lab counted.
func through(t *testing.T, o Options, down Impairment, count, size int) ([]uint32, HostReport) {
	t.Helper()
	o.Nodes = 1
	l := ForTest(t, o)
	n := l.Nodes[0]
	if err := n.Impair(down, Impairment{}); err != nil {
		t.Fatal(err)
	}
	r := join(t, n.Host)
	sendAll(t, server(t, l), group, count, size, r)
	report, err := n.Report()
	if err != nil {
		t.Fatal(err)
	}
	if report.Down.Overrun != 0 {
		t.Fatalf("the relay was too slow for %d frames", report.Down.Overrun)
	}
	return r.order, report
}

func TestLoss(t *testing.T) {
	for _, relay := range []bool{false, true} {
		t.Run(fmt.Sprintf("relay=%v", relay), func(t *testing.T) {
			if _, err := exec.LookPath("nft"); err != nil && !relay {
				t.Skip(err)
			}
			order, report := through(t, Options{Relay: relay}, Impairment{Loss: 0.2}, datagrams, 100)
			near(t, "share lost", 1-float64(len(order))/datagrams, 0.2, 0.02)
			if report.Relayed != relay {
				t.Errorf("relayed: %v", report.Relayed)
			}
			// All that is missing is counted; the last datagrams may be too.
			missing, counted := uint64(datagrams-len(order)), report.Down.Lost
			if counted < missing || counted > missing+400 {
				t.Errorf("%d datagrams missing, %d frames counted as lost", missing, counted)
			}
			if got := report.Received.Frames; got < uint64(len(order)) || got > uint64(len(order))+400 {
				t.Errorf("%d datagrams arrived, the interface counts %d frames", len(order), got)
			}
		})
	}
}

func TestBursts(t *testing.T) {
	order, report := through(t, Options{Seed: 1}, Impairment{Bursts: Bursts{Share: 0.1, Mean: 6}}, datagrams, 100)
	near(t, "share lost", 1-float64(len(order))/datagrams, 0.1, 0.03)
	near(t, "mean burst", mean(bursts(order)), 6, 1.2)
	if got := uint64(len(bursts(order))); report.Down.Bursts < got || report.Down.Bursts > got+20 {
		t.Errorf("saw %d bursts, counted %d", got, report.Down.Bursts)
	}
}

func TestDuplicates(t *testing.T) {
	order, report := through(t, Options{Seed: 2}, Impairment{Duplicate: 0.1}, datagrams, 100)
	near(t, "share doubled", float64(len(order)-datagrams)/datagrams, 0.1, 0.02)
	if got := uint64(len(order) - datagrams); report.Down.Duplicated < got || report.Down.Duplicated > got+20 {
		t.Errorf("saw %d twins, counted %d", got, report.Down.Duplicated)
	}
}

func TestReordering(t *testing.T) {
	order, report := through(t, Options{Seed: 3}, Impairment{Reorder: 0.05}, datagrams, 100)
	// The last datagram may overtake some.
	if len(order) < datagrams-20 {
		t.Errorf("%d of %d arrived", len(order), datagrams)
	}
	near(t, "share overtaken", float64(late(order))/datagrams, 0.05, 0.01)
	if got := uint64(late(order)); report.Down.Reordered < got || report.Down.Reordered > got+20 {
		t.Errorf("saw %d overtaken, counted %d", got, report.Down.Reordered)
	}
}

// A relay's faults are the same for the same seed.
func TestRepeats(t *testing.T) {
	i := Impairment{Loss: 0.05, Bursts: Bursts{0.05, 5}, Duplicate: 0.05}
	run := func(seed uint64) []uint32 {
		order, _ := through(t, Options{Seed: seed}, i, 2000, 100)
		return order
	}
	want := run(1)
	if diff := cmp.Diff(want, run(1)); diff != "" {
		t.Errorf("the same seed (-want +got):\n%s", diff)
	}
	if cmp.Equal(want, run(2)) {
		t.Error("another seed made the same faults")
	}
}

// Nothing arrives before its delay is over.
func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	l := ForTest(t, Options{Nodes: 1})
	n := l.Nodes[0]
	if err := n.Impair(Impairment{Delay: delay}, Impairment{Delay: delay}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		start := time.Now()
		if err := ping(l.Server, n.Addr); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < 2*delay {
			t.Errorf("answer after %v, the cable takes %v both ways", d, 2*delay)
		}
	}
}

// What arrives is what a token bucket lets through in the time, and what does
// not fit its queue is counted.
func TestRate(t *testing.T) {
	const rate, size, queue = 20_000_000, 1000, 100_000
	for _, relay := range []bool{false, true} {
		t.Run(fmt.Sprintf("relay=%v", relay), func(t *testing.T) {
			start := time.Now()
			order, report := through(t, Options{Relay: relay}, Impairment{Rate: rate, Queue: queue}, 5000, size)
			elapsed := time.Since(start)
			bytes := float64(report.Received.Bytes)
			if most := rate/8*elapsed.Seconds() + rate/8/250 + 2*1514; bytes > most {
				t.Errorf("%.0f bytes in %v, the rate permits %.0f", bytes, elapsed, most)
			}
			// Whatever the machine was doing, the queue was full once.
			if bytes < queue*0.9 {
				t.Errorf("only %.0f bytes arrived", bytes)
			}
			if missing := uint64(5000 - len(order)); missing == 0 || report.Down.Overflowed < missing {
				t.Errorf("%d datagrams missing, %d did not fit", missing, report.Down.Overflowed)
			}
		})
	}
}

// The server's rate is kept, and sending waits for it instead of losing.
func TestServerRate(t *testing.T) {
	const rate = 200_000_000
	l := ForTest(t, Options{Nodes: 2, Rate: rate})
	all := []*receiver{join(t, l.Nodes[0].Host), join(t, l.Nodes[1].Host)}
	const count, size = 20_000, 1400
	start := time.Now()
	sendAll(t, server(t, l), group, count, size, all...)
	elapsed := time.Since(start)
	for i, r := range all {
		if len(r.order) != count {
			t.Errorf("%s got %d of %d datagrams", l.Nodes[i].Name, len(r.order), count)
		}
	}
	r, err := l.Report()
	if err != nil {
		t.Fatal(err)
	}
	bytes := float64(r.Server.Sent.Bytes)
	if most := rate/8*elapsed.Seconds() + rate/8/250 + 2*1514; bytes < count*(size+42) || bytes > most {
		t.Errorf("server sent %.0f bytes in %v, the rate permits %.0f", bytes, elapsed, most)
	}
}

// Settings replace each other, from kernel to relay too, and nothing that was
// counted is forgotten.
func TestImpairAgain(t *testing.T) {
	l := ForTest(t, Options{Nodes: 1})
	n := l.Nodes[0]
	conn := server(t, l)
	var lost uint64
	for step, i := range []Impairment{{Loss: 1}, {}, {Loss: 1, Rate: 1e9}, {Rate: 1e9}, {Duplicate: 1}, {Loss: 1}, {}} {
		if err := n.Impair(i, Impairment{}); err != nil {
			t.Fatal(err)
		}
		if i.Loss == 1 {
			b := make([]byte, 100)
			for range 100 {
				if _, err := conn.WriteToUDPAddrPort(b, group); err != nil {
					t.Fatal(err)
				}
			}
			// Frames are on their way for a while after they were sent.
			lost += 100
			eventually(t, func() bool { return lostOn(t, n) == lost })
			continue
		}
		r := join(t, n.Host)
		sendAll(t, conn, group, 10, 100, r)
		if want := 10 * int(1+i.Duplicate); len(r.order) != want {
			t.Errorf("step %d: %d datagrams, want %d", step, len(r.order), want)
		}
		if got := lostOn(t, n); got != lost {
			t.Errorf("step %d: %d frames lost, want %d", step, got, lost)
		}
	}
}

func lostOn(t *testing.T, n *Node) uint64 {
	t.Helper()
	r, err := n.Report()
	if err != nil {
		t.Fatal(err)
	}
	return r.Down.Lost
}
