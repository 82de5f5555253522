package lab

import (
	"os/exec"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// A switch that snoops sends multicast to whom it heard join; one that does
// not sends it to all.
func TestSnooping(t *testing.T) {
	for _, snooping := range []bool{false, true} {
		t.Run(map[bool]string{false: "off", true: "on"}[snooping], func(t *testing.T) {
			l := ForTest(t, Options{Nodes: 2, Snooping: snooping, Querier: snooping})
			r := join(t, l.Nodes[0].Host)
			conn := server(t, l)
			const count = 200
			// The switch floods until its querier has had time to hear of all.
			eventually(t, func() bool {
				before, err := l.Report()
				if err != nil {
					t.Fatal(err)
				}
				for range count {
					if _, err := conn.WriteToUDPAddrPort(make([]byte, 100), group); err != nil {
						t.Fatal(err)
					}
				}
				// The answers come behind the datagrams.
				for _, n := range l.Nodes {
					if err := ping(l.Server, n.Addr); err != nil {
						t.Fatal(err)
					}
				}
				after, err := l.Report()
				if err != nil {
					t.Fatal(err)
				}
				d := after.Since(before)
				if d.Nodes[0].Received.Frames < count { // the flood over, and the join not heard yet
					return false
				}
				other := d.Nodes[1].Received.Frames
				return snooping && other < count/10 || !snooping && other >= count
			})
			sendAll(t, conn, group, 1, 100, r)
		})
	}
}

// A switch that forgets cuts a member off that does not speak up, and only that.
func TestForgets(t *testing.T) {
	l := ForTest(t, Options{Nodes: 3, Snooping: true, Querier: true, Forget: time.Second})
	conn := server(t, l)
	join(t, l.Nodes[0].Host)
	// hear tells who of the nodes a flood is sent to.
	hear := func() (to [3]bool) {
		const count = 100
		before, err := l.Report()
		if err != nil {
			t.Fatal(err)
		}
		for range count {
			if _, err := conn.WriteToUDPAddrPort(make([]byte, 100), group); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range l.Nodes {
			if err := ping(l.Server, n.Addr); err != nil {
				t.Fatal(err)
			}
		}
		after, err := l.Report()
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range after.Since(before).Nodes {
			to[i] = n.Received.Frames >= count
		}
		return to
	}
	eventually(t, func() bool { return hear() == [3]bool{true, false, false} })
	// Not before: a member that hears another one speak up keeps quiet.
	var speaks *multicast.Conn
	err := l.Nodes[1].Do(func() (err error) {
		speaks, err = multicast.Open(multicast.Config{Peer: group, Interface: Interface})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer speaks.Close()
	eventually(t, func() bool {
		if err := l.Nodes[1].Do(speaks.Refresh); err != nil {
			t.Fatal(err)
		}
		return hear() == [3]bool{false, true, false}
	})
}

// A pulled cable loses what is sent meanwhile, with and without a relay.
func TestUnplug(t *testing.T) {
	for _, relay := range []bool{false, true} {
		t.Run(map[bool]string{false: "kernel", true: "relay"}[relay], func(t *testing.T) {
			l := ForTest(t, Options{Nodes: 2, Relay: relay})
			n, conn := l.Nodes[0], server(t, l)
			if relay {
				if err := n.Impair(Impairment{}, Impairment{}); err != nil {
					t.Fatal(err)
				}
			}
			r, other := join(t, n.Host), join(t, l.Nodes[1].Host)
			if err := n.Unplug(); err != nil {
				t.Fatal(err)
			}
			sendAll(t, conn, group, 50, 100, other)
			if err := n.Plug(); err != nil {
				t.Fatal(err)
			}
			sendAll(t, conn, group, 20, 100, r)
			if len(other.order) != 50 || len(r.order) != 20 {
				t.Errorf("%d of 50 datagrams passed the pulled cable, the other node got %d", len(r.order)-20, len(other.order))
			}
		})
	}
}

// One node dies and one joins late; the others do not notice.
func TestComeAndGo(t *testing.T) {
	l := ForTest(t, Options{Nodes: 2})
	p, err := l.Nodes[0].Start(exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	stays := join(t, l.Nodes[1].Host)
	p.Kill()
	if err := p.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
	late, err := l.AddNode()
	if err != nil {
		t.Fatal(err)
	}
	joined := join(t, late.Host)
	sendAll(t, server(t, l), group, 100, 100, stays, joined)
	if len(stays.order) != 100 || len(joined.order) != 100 {
		t.Errorf("%d and %d of 100 datagrams", len(stays.order), len(joined.order))
	}
}

// What processes cost is added up when they end.
func TestUsage(t *testing.T) {
	l := ForTest(t, Options{Nodes: 1})
	n := l.Nodes[0]
	before, err := l.Report()
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	after, err := l.Report()
	if err != nil {
		t.Fatal(err)
	}
	got := after.Since(before).Nodes[0].Usage
	if got != p.Usage() || got.CPU() <= 0 || got.MaxRSS < 100<<10 {
		t.Errorf("the node used %+v, its process %+v", got, p.Usage())
	}
}
