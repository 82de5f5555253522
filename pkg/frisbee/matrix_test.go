package frisbee

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// transfer is one file to one room.
type transfer struct {
	name     string
	nodes    int
	size     int
	down, up lab.Impairment
	server   ServerOptions
	client   ClientOptions
}

func (x transfer) run(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: x.nodes, Seed: 1})
	data := file(x.size)
	for _, n := range l.Nodes {
		if err := n.Impair(x.down, x.up); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, l, data, x.server)
	var all []*sink
	for _, n := range l.Nodes {
		all = append(all, client(t, n.Host, len(data), x.client))
	}
	receiveAll(t, all...)
	var took time.Duration
	for _, r := range all {
		r.check(t, data)
		took = max(took, r.took)
	}
	n := s.Stats()
	t.Logf("%v, %.3f x the file sent at %d Mbit/s in the end", took, float64(n.Bytes)/float64(len(data)), n.Rate/1e6)
}

var (
	bursts = lab.Impairment{Bursts: lab.Bursts{Share: 0.2, Mean: 20}}
	mess   = lab.Impairment{
		Loss: 0.01, Duplicate: 0.05, Reorder: 0.05, Gap: 5, Delay: 3 * time.Millisecond, Jitter: 2 * time.Millisecond,
	}
)

// TestRoom fills rooms on networks that are good and bad.
func TestRoom(t *testing.T) {
	steady := ServerOptions{Rate: 250e6}
	for _, x := range []transfer{
		{name: "one", nodes: 1, size: 8<<20 + 12345, server: ServerOptions{MaxRate: 800e6}},
		{name: "less than a block", nodes: 1, size: 7, server: steady},
		{name: "four, 1 %", nodes: 4, size: 8 << 20, down: lab.Impairment{Loss: 0.01}, up: lab.Impairment{Loss: 0.01}, server: ServerOptions{MaxRate: 400e6}},
		{name: "four, 20 %", nodes: 4, size: 3 << 20, down: lab.Impairment{Loss: 0.2}, up: lab.Impairment{Loss: 0.2}, server: steady},
		{name: "four, 20 % in bursts", nodes: 4, size: 3 << 20, down: bursts, up: bursts, server: steady},
		{name: "four, a mess", nodes: 4, size: 3 << 20, down: mess, up: mess, server: steady},
		{name: "sixteen, 5 %", nodes: 16, size: 3 << 20, down: lab.Impairment{Loss: 0.05}, up: lab.Impairment{Loss: 0.05}, server: steady},
		{name: "sixteen, 20 %", nodes: 16, size: 3 << 20, down: lab.Impairment{Loss: 0.2}, up: lab.Impairment{Loss: 0.2}, server: steady},
		{name: "classic, 5 %", nodes: 4, size: 3 << 20, down: lab.Impairment{Loss: 0.05}, server: steady, client: ClientOptions{Classic: true}},
		{
			name: "jumbo, 5 %", nodes: 2, size: 3<<20 + 8193, down: lab.Impairment{Loss: 0.05},
			server: ServerOptions{Rate: 250e6, Geometry: wire.Jumbo}, client: ClientOptions{Geometry: wire.Jumbo},
		},
		{name: "few buffers", nodes: 2, size: 6 << 20, server: steady, client: ClientOptions{Buffers: 2, Workers: 1}},
	} {
		t.Run(x.name, x.run)
	}
}

// TestMatrix is all of it.
func TestMatrix(t *testing.T) {
	if os.Getenv("ORBIT_SLOW") == "" {
		t.Skip("fills 37 rooms, which takes a minute or two (set ORBIT_SLOW=1)")
	}
	for _, nodes := range []int{1, 4, 16, 32} {
		for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
			for _, k := range []struct {
				name string
				i    lab.Impairment
			}{
				{"single losses", lab.Impairment{Loss: loss}},
				{"bursts", lab.Impairment{Bursts: lab.Bursts{Share: loss, Mean: 20}}},
				{"a mess", lab.Impairment{Loss: loss, Duplicate: 0.05, Reorder: 0.05, Gap: 5}},
			} {
				if loss == 0 && k.name == "bursts" || nodes == 32 && k.name != "single losses" {
					continue
				}
				transfer{
					nodes: nodes, size: 4 << 20, down: k.i, up: k.i, server: ServerOptions{MaxRate: 200e6},
				}.named(t, fmt.Sprintf("%d clients, %v %% %s", nodes, loss*100, k.name))
			}
		}
	}
}

func (x transfer) named(t *testing.T, name string) { t.Run(name, x.run) }

// TestSlowPort has one node on a slow port. The server, which waits for three of
// four, finds the rate of the others, and the slow one has the file at last.
func TestSlowPort(t *testing.T) {
	if os.Getenv("ORBIT_SLOW") == "" {
		t.Skip("sends 32 MiB through 20 Mbit/s (set ORBIT_SLOW=1)")
	}
	l := lab.ForTest(t, lab.Options{Nodes: 4})
	data := file(32 << 20)
	if err := l.Nodes[0].Impair(lab.Impairment{Rate: 20e6}, lab.Impairment{}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, l, data, ServerOptions{MaxRate: 200e6, Share: 0.7})
	var all []*sink
	for _, n := range l.Nodes {
		all = append(all, client(t, n.Host, len(data), ClientOptions{}))
	}
	receiveAll(t, all...)
	for i, c := range all {
		c.check(t, data)
		if i > 0 && c.took > all[0].took/2 {
			t.Errorf("%s took %v, and the slow one %v", c.host.Name, c.took, all[0].took)
		}
	}
	for _, m := range s.Members() {
		t.Logf("%+v", m)
	}
}
