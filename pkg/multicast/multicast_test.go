package multicast

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoom(t *testing.T) {
	r := newRoom(t, 4)
	paths := map[string]func(*Config){
		"offload":    func(*Config) {},
		"batches":    func(c *Config) { c.NoOffload = true },
		"one by one": func(c *Config) { c.NoOffload, c.Batch = true, 1 },
	}
	for _, mode := range []struct {
		name    string
		server  string
		client  string
		to      string
		mode    Mode
		clients int
	}{
		{"group", "239.192.7.1", "239.192.7.1", "239.192.7.1", Group, 3},
		{"broadcast", "255.255.255.255", "10.9.0.255", "10.9.0.255", Broadcast, 3},
		{"unicast", "10.9.0.2", "10.9.0.1", "10.9.0.2", Unicast, 1},
	} {
		for path, set := range paths {
			for _, size := range []int{6, 1048, 8216} {
				t.Run(fmt.Sprintf("%s/%s/%d", mode.name, path, size), func(t *testing.T) {
					cfg := func(peer string) Config {
						c := Config{Peer: netip.AddrPortFrom(netip.MustParseAddr(peer), port), Interface: "eth0", Size: 9000, ReceiveBuffer: 4 << 20}
						set(&c)
						return c
					}
					server := r.nodes[0].open(t, cfg(mode.server))
					if server.Mode() != mode.mode || server.Local() != netip.MustParseAddr("10.9.0.1") {
						t.Fatalf("server has mode %d and address %s", server.Mode(), server.Local())
					}
					var clients []*Conn
					for _, n := range r.nodes[1:][:mode.clients] {
						clients = append(clients, n.open(t, cfg(mode.client)))
					}
					pkts := packets(150, size)
					send(t, server, pkts)
					for _, c := range clients {
						if diff := cmp.Diff(want(pkts, "10.9.0.1:9000", mode.to), receive(t, c, len(pkts))); diff != "" {
							t.Errorf("at %s (-sent +received):\n%.2000s", c.Local(), diff)
						}
					}
					silent(t, server) // nothing loops back
					// A request goes to all of the room and the answer to one.
					ask := packets(1, 24)
					send(t, clients[0], ask)
					if diff := cmp.Diff(want(ask, "10.9.0.2:9000", clients[0].Peer().Addr().String()), receive(t, server, 1)); diff != "" {
						t.Errorf("request (-sent +received):\n%s", diff)
					}
					for _, c := range clients[1:] {
						receive(t, c, 1)
					}
					if _, err := server.SendTo(t.Context(), netip.MustParseAddrPort("10.9.0.2:9000"), ask); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want(ask, "10.9.0.1:9000", "10.9.0.2"), receive(t, clients[0], 1)); diff != "" {
						t.Errorf("answer (-sent +received):\n%s", diff)
					}
					for _, c := range clients[1:] {
						silent(t, c)
					}
				})
			}
		}
	}
}
