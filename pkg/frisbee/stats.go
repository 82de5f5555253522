package frisbee

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/multicast"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// ServerStats are what a server did so far.
type ServerStats struct {
	Bytes    uint64 // of blocks sent
	Rate     int64  // at present, bit/s
	Clients  int    // joined and not left
	Classic  int    // of those, that are not known to be Orbit's
	Joined   int    // ever
	Joins    uint64 // packets, repeated ones included
	Leaves   uint64
	Requests uint64    // for blocks
	Bad      uint64    // packets that are none, or ask for what is not there
	Foreign  uint64    // packets that are not for a server, or from another port
	Unsent   uint64    // bursts that the network refused
	Began    time.Time // when the room was complete, or had waited long enough; zero before
	Queue    queue.Stats
	Behind   queue.Stats // of what clients far behind the rest ask for again
	Socket   multicast.Stats
}

// Stats are the counters so far.
func (s *Server) Stats() ServerStats {
	n := &s.count
	s.mu.Lock()
	defer s.mu.Unlock()
	return ServerStats{
		Bytes: n.bytes.Load(), Rate: int64(s.pace.rate), Clients: s.roster.here, Classic: s.roster.classic, Joined: s.roster.joined,
		Joins: n.joins.Load(), Leaves: n.leaves.Load(), Requests: n.requests.Load(),
		Bad: n.bad.Load(), Foreign: n.foreign.Load(), Unsent: n.unsent.Load(),
		Began: s.began, Queue: s.queue.Stats(), Behind: s.behind.queue.Stats(), Socket: s.conn.Stats(),
	}
}

// Member is what a server knows of a client.
type Member struct {
	Addr   netip.Addr
	ID     uint32        // 0 if it has not joined
	Joined bool          // and not left
	Silent time.Duration // since it was last heard
	Lost   uint64        // blocks that it asked for although they were sent
}

// Members are the clients that are known, in order of their addresses.
func (s *Server) Members() []Member {
	s.mu.Lock()
	now := s.now()
	all := make([]Member, 0, len(s.roster.clients))
	for ip, c := range s.roster.clients {
		all = append(all, Member{address(ip), c.id, c.joined && !c.left, now - c.last, c.total + c.lost})
	}
	s.mu.Unlock()
	order.Sort(all, func(a, b Member) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.ID, b.ID)) })
	return all
}
