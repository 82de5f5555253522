package room_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// TestSlowConsumer has one whose disk takes a sixth of what the network brings.
// The others do not wait for it.
func TestSlowConsumer(t *testing.T) {
	const size = 16 * mib
	s := newScene(t, lab.Options{Nodes: 4, Rate: 200e6}, size)
	url := s.web()
	get := func(*lab.Node) *room.Get { return &room.Get{URL: url} }
	alone, _ := s.fill(&room.Serve{}, get)
	told, server := s.fill(&room.Serve{}, func(n *lab.Node) *room.Get {
		g := get(n)
		if n == s.Nodes[0] {
			g.Disk, g.Buffers = 4e6, 4
		}
		return g
	})
	usual, others, laggard := longest(alone), longest(told[1:]), told[0]
	t.Logf("%v without it; with it the others %v, and it %v, %d blocks dropped, %d bytes repaired; %.2f x sent",
		usual, others, laggard.Took, laggard.Stats.Blocks.NoBuffer, laggard.Stats.Repaired, float64(server.Bytes)/size)
	if laggard.Took < 2*usual {
		t.Fatalf("the slow one took %v: it is none", laggard.Took)
	}
	if others > 2*usual {
		t.Errorf("the others took %v, and %v without the slow one", others, usual)
	}
}

// TestSlowConsumerLeaves has one that is too slow for the room, leaves it, and
// goes on by HTTP. The others do not wait for it meanwhile. Its disk recovers
// when they are done, or the test would wait for it.
func TestSlowConsumerLeaves(t *testing.T) {
	const size, rate = 64 * mib, 80e6
	const nominal = size * 8 * time.Second / rate
	for _, x := range []struct {
		name    string
		buffers int
		disk    int64 // bytes/s
		stays   bool  // there is no HTTP
		slow    bool  // the test is
	}{
		{name: "few buffers", buffers: 4, disk: 3e6},
		{name: "16 buffers", buffers: 16, disk: 3e6, slow: true},
		{name: "nowhere to go", buffers: 4, disk: 3e6, stays: true, slow: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.slow {
				slow(t, "it takes ten seconds")
			}
			s := newScene(t, lab.Options{Nodes: 4}, size)
			url := s.web()
			if x.stays {
				url = ""
			}
			told, n := s.fill(&room.Serve{Rate: rate}, func(n *lab.Node) *room.Get {
				g := &room.Get{URL: url}
				if n == s.Nodes[0] {
					g.Disk, g.Recovers, g.Buffers = x.disk, nominal, x.buffers
				}
				return g
			})
			laggard, others := told[0].Stats, longest(told[1:])
			t.Logf("the slow one %v, %d bytes repaired, %d requests; the others %v of at least %v; %.2f x sent, %d blocks of that behind the rest",
				told[0].Took, laggard.Repaired, laggard.Blocks.Requests, others, nominal, float64(n.Bytes)/size, n.Behind.Sent)
			if left := laggard.Repaired >= size/3; left == x.stays {
				t.Errorf("the slow one took %d bytes by HTTP", laggard.Repaired)
			}
			if others > nominal*5/4 {
				t.Errorf("the others took %v where the rate allows %v", others, nominal)
			}
			for i, g := range told[1:] {
				if g.Stats.Repaired > 0 {
					t.Errorf("%s took %d bytes by HTTP", s.Nodes[i+1].Name, g.Stats.Repaired)
				}
			}
		})
	}
}

// TestSlowRoom has none but slow disks, behind a server that could do more, and
// losses, so that each asks for something else. All stay.
func TestSlowRoom(t *testing.T) {
	const size = 24 * mib
	s := newScene(t, lab.Options{Nodes: 4}, size)
	for _, n := range s.Nodes {
		if err := n.Impair(lab.Impairment{Loss: 0.01}, lab.Impairment{}); err != nil {
			t.Fatal(err)
		}
	}
	url := s.web()
	told, n := s.fill(&room.Serve{MaxRate: 300e6}, func(*lab.Node) *room.Get { return &room.Get{URL: url, Disk: 4e6, Buffers: 8} })
	t.Logf("%v, %.2f x sent", longest(told), float64(n.Bytes)/size)
	for i, g := range told {
		if g.Stats.Repaired > 0 {
			t.Errorf("%s took %d bytes by HTTP", s.Nodes[i].Name, g.Stats.Repaired)
		}
	}
}

// TestDeath has a client die, by a power cut, and come back. It and the others
// have the image, and the others are not held up.
func TestDeath(t *testing.T) {
	const size = 16 * mib
	s := newScene(t, lab.Options{Nodes: 4}, size)
	usual, _ := s.fill(&room.Serve{Rate: 100e6}, func(*lab.Node) *room.Get { return &room.Get{} })
	for _, n := range s.Nodes {
		os.Remove(s.out(n))
	}
	server := s.begin(s.Server, &room.Serve{File: s.image, Peer: group, Rate: 100e6})
	var all []*room.Process
	for _, n := range s.Nodes {
		all = append(all, s.begin(n.Host, &room.Get{File: s.out(n), Peer: group}))
	}
	dies := s.Nodes[0]
	s.has(dies, size/4)
	all[0].Kill()
	if n := onDisk(t, s.out(dies)); n >= size {
		t.Fatalf("it had %d bytes: too late to die", n)
	}
	// Its memory is gone, its disk is not: here it begins anew all the same.
	again := s.begin(dies.Host, &room.Get{File: s.out(dies), Peer: group})
	var took time.Duration
	for i, p := range all[1:] {
		took = max(took, s.finish(p, s.Nodes[i+1], s.data).Took)
	}
	s.finish(again, dies, s.data)
	n := s.end(server)
	t.Logf("the others took %v, and %v without a death; %.2f x sent", took, longest(usual), float64(n.Bytes)/size)
	if took > 2*longest(usual) {
		t.Errorf("the others took %v, and %v without a death", took, longest(usual))
	}
	if n.Joined != 5 {
		t.Errorf("%d clients have joined, not 5", n.Joined)
	}
}

// TestLate has one come when the others have a part. It takes what flows, and
// has the server send again only what came before.
func TestLate(t *testing.T) {
	const size = 16 * mib
	s := newScene(t, lab.Options{Nodes: 3}, size)
	server := s.begin(s.Server, &room.Serve{File: s.image, Peer: group, Rate: 60e6})
	get := func(n *lab.Node) *room.Get { return &room.Get{File: s.out(n), Peer: group} }
	late := s.ready(s.Nodes[2].Host, get(s.Nodes[2]))
	early := []*room.Process{s.begin(s.Nodes[0].Host, get(s.Nodes[0])), s.begin(s.Nodes[1].Host, get(s.Nodes[1]))}
	s.has(s.Nodes[0], size/4)
	s.release(late)
	for i, p := range append(early, late) {
		s.finish(p, s.Nodes[i], s.data)
	}
	n := s.end(server)
	sent := float64(n.Bytes) / size
	t.Logf("%.2f x sent", sent)
	if sent < 1.1 || sent > 1.75 {
		t.Errorf("%.2f x the image was sent, not about 1.3", sent)
	}
}

// TestTwoSessions has a second room in the room, once with the same port and
// once with the same group.
func TestTwoSessions(t *testing.T) {
	const size = 8 * mib
	for _, x := range []struct {
		name  string
		other netip.AddrPort
	}{
		{"same port", netip.MustParseAddrPort("239.192.4.2:7777")},
		{"same group", netip.MustParseAddrPort("239.192.4.1:7778")},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newScene(t, lab.Options{Nodes: 5}, size)
			path, data := s.file("other", size+mib/2)
			// Of one server two may well have the same port, but not here: the
			// second one is on a node.
			first := s.begin(s.Server, &room.Serve{File: s.image, Peer: group, Rate: 80e6})
			second := s.begin(s.Nodes[4].Host, &room.Serve{File: path, Peer: x.other, Rate: 80e6})
			var all []*room.Process
			for i, n := range s.Nodes[:4] {
				g := &room.Get{File: s.out(n), Peer: group}
				if i%2 == 1 {
					g.Peer = x.other
				}
				all = append(all, s.begin(n.Host, g))
			}
			for i, p := range all {
				want := s.data
				if i%2 == 1 {
					want = data
				}
				got := s.finish(p, s.Nodes[i], want)
				// What the client beside it says counts as foreign, too.
				if n := got.Stats; n.Foreign > 100 || n.Bad+n.Blocks.Bad+n.Blocks.BadRequests > 0 {
					t.Errorf("%s was told of the other session: %+v", s.Nodes[i].Name, n)
				}
			}
			for _, p := range []*room.Process{first, second} {
				n := s.end(p)
				if n.Joined != 2 || n.Bad+n.Foreign > 0 || float64(n.Bytes) > 1.5*(size+mib/2) {
					t.Errorf("a server of two sessions: %+v", n)
				}
			}
		})
	}
}

// TestSwitches has switches that snoop: one where nobody asks who listens, and
// one that cuts off who does not speak up in time.
func TestSwitches(t *testing.T) {
	t.Run("no querier", func(t *testing.T) {
		s := newScene(t, lab.Options{Nodes: 3, Snooping: true}, 4*mib)
		s.fill(&room.Serve{Rate: 100e6}, func(*lab.Node) *room.Get { return &room.Get{} })
	})
	t.Run("forgets", func(t *testing.T) {
		const size = 6 * mib
		s := newScene(t, lab.Options{Nodes: 3, Snooping: true, Querier: true, Forget: time.Second}, size)
		url := s.web()
		// The second one keeps quiet, which shows what would happen.
		told, _ := s.fill(&room.Serve{Rate: 16e6, Keepalive: 300 * time.Millisecond}, func(n *lab.Node) *room.Get {
			g := &room.Get{URL: url, Keepalive: 300 * time.Millisecond, Quiet: 500 * time.Millisecond}
			if n == s.Nodes[1] {
				g.Keepalive = time.Hour
			}
			return g
		})
		for i, g := range told {
			if quiet := i == 1; (g.Stats.Repaired > 0) != quiet {
				t.Errorf("%s took %d bytes by HTTP", s.Nodes[i].Name, g.Stats.Repaired)
			}
		}
	})
}
