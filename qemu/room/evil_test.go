package room_test

import (
	"net/netip"
	"testing"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// TestFlood has somebody send thousands of packets a second that nobody should:
// each kind alone, and all at once. Who checks digests has the image, the server
// stays small, and nobody crashes.
func TestFlood(t *testing.T) {
	const (
		size    = 6 * mib
		rate    = 4000 // packets/s
		maxPeak = 64 << 20
	)
	tries := [][]room.Evil{room.Evils()}
	if testing.Short() {
		t.Skip("disturbs a room for some seconds")
	}
	tries = append(tries, []room.Evil{room.Blocks}, []room.Evil{room.Joins, room.Leaves})
	for _, kinds := range tries {
		name := "all"
		if len(kinds) < len(room.Evils()) {
			name = string(kinds[0])
		}
		t.Run(name, func(t *testing.T) { flooded(t, kinds, size, rate, maxPeak) })
	}
}

// TestEachFlood has each kind by itself, for longer.
func TestEachFlood(t *testing.T) {
	slow(t, "disturbs rooms for half a minute")
	for _, kind := range room.Evils() {
		t.Run(string(kind), func(t *testing.T) { flooded(t, []room.Evil{kind}, 24*mib, 10000, 64<<20) })
	}
}

func flooded(t *testing.T, kinds []room.Evil, size, rate int, maxPeak int64) {
	s := newScene(t, lab.Options{Nodes: 4}, size)
	url := s.web()
	server := s.begin(s.Server, &room.Serve{File: s.image, Peer: group, MaxRate: 200e6})
	victims, evil := s.Nodes[:3], s.Nodes[3]
	var addrs []netip.Addr
	var all []*room.Process
	for _, n := range victims {
		addrs = append(addrs, n.Addr)
		all = append(all, s.ready(n.Host, &room.Get{File: s.out(n), Peer: group, URL: url, Sums: true}))
	}
	flood := s.begin(evil.Host, &room.Flood{
		Peer: group, Own: evil.Addr, Server: s.Server.Addr, Victims: addrs, Chunks: int32((size + mib - 1) / mib), Kinds: kinds, Rate: rate,
	})
	for _, p := range all {
		s.release(p)
	}
	var spoilt, foreign uint64
	for i, p := range all {
		got := s.finish(p, victims[i], s.data)
		spoilt += got.Stats.Spoilt
		foreign += got.Stats.Foreign + got.Stats.Bad
		if p.Peak() > 2*maxPeak {
			t.Errorf("%s took %d MB of memory", victims[i].Name, p.Peak()/1e6)
		}
	}
	var sent map[room.Evil]int
	if err := flood.Stop(&sent); err != nil {
		t.Error(err)
	}
	for _, k := range kinds {
		if sent[k] == 0 {
			t.Errorf("no %s were sent: %v", k, sent)
		}
	}
	n := s.end(server)
	t.Logf("sent %v; %d chunks bad, %d packets refused by clients; the server took %d MB, sent %.2f images and knows of %d clients",
		sent, spoilt, foreign, server.Peak()/1e6, float64(n.Bytes)/float64(size), n.Clients)
	if server.Peak() > maxPeak {
		t.Errorf("the server took %d MB of memory", server.Peak()/1e6)
	}
	if kinds[0] == room.Blocks && spoilt == 0 {
		t.Error("no chunk was bad: wrong blocks were not taken for true")
	}
}
