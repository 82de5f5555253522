package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// network is one that is bad in both directions.
type network struct {
	name string
	i    lab.Impairment
}

func networks(loss float64) []network {
	return []network{
		{"single losses", lab.Impairment{Loss: loss}},
		{"bursts", lab.Impairment{Bursts: lab.Bursts{Share: loss, Mean: 20}}},
		{"a mess", lab.Impairment{
			Loss: loss / 2, Bursts: lab.Bursts{Share: loss / 2, Mean: 10}, Duplicate: 0.05, Reorder: 0.05, Gap: 5,
			Delay: 2 * time.Millisecond, Jitter: time.Millisecond,
		}},
	}
}

// fill fills a room at a rate that sixteen relays have the time for, beside all
// else on two cores: a lab that is too slow delays what it should lose.
func (n network) fill(t *testing.T, nodes, size int) {
	s := newScene(t, lab.Options{Nodes: nodes, Rate: 60e6, Seed: 1}, size)
	for _, node := range s.Nodes {
		if err := node.Impair(n.i, n.i); err != nil {
			t.Fatal(err)
		}
	}
	told, server := s.fill(&room.Serve{}, func(*lab.Node) *room.Get { return &room.Get{} })
	report, err := s.Report()
	if err != nil {
		t.Fatal(err)
	}
	var overrun uint64 // that the lab lost, because it was too slow
	for _, n := range report.Nodes {
		overrun += n.Down.Overrun + n.Up.Overrun
	}
	t.Logf("%v, %.3f x the image sent, %d frames lost by a lab that was too slow", longest(told), float64(server.Bytes)/float64(size), overrun)
}

// TestLosses fills rooms of sixteen on bad networks, by multicast alone.
func TestLosses(t *testing.T) {
	n := networks(0.05)
	for _, n := range []network{n[1], n[2]} {
		t.Run(n.name, func(t *testing.T) { n.fill(t, 16, 2*mib+777) })
	}
}

// TestAllLosses has all of them.
func TestAllLosses(t *testing.T) {
	slow(t, "fills rooms for a minute")
	for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
		for _, n := range networks(loss) {
			if loss == 0 && n.name == "bursts" {
				continue
			}
			t.Run(fmt.Sprintf("%v %%, %s", loss*100, n.name), func(t *testing.T) { n.fill(t, 16, 8*mib+777) })
		}
	}
}
