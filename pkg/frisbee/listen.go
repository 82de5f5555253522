package frisbee

import (
	"context"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// respite is how long to leave a network alone that gives errors.
const respite = 100 * time.Millisecond

const (
	// gatherTime is how long a repair waits for the requests of all clients,
	// which put theirs off at random, and for some blocks more, and mostGather is
	// what both are at most.
	gatherTime = 12 * time.Millisecond
	mostGather = 100 * time.Millisecond
	// busyGather is how long at least a repair waits while there is other work, so
	// that it costs no time: requests of busy machines, and of those behind a link
	// that is slower than the rate, come late.
	busyGather = 60 * time.Millisecond
)

const (
	// crossing is how long a request may be on its way, from a busy machine, and
	// unusual the share of a chunk that hardly ever gets lost at a time.
	crossing = 100 * time.Millisecond
	unusual  = 1.0 / 16
)

// listen takes what clients send.
func (s *Server) listen(ctx context.Context) error {
	for {
		all, err := s.conn.Receive(ctx, time.Time{})
		if err != nil {
			if multicast.Temporary(err) {
				err = wait(ctx, respite)
			}
			if err != nil {
				return err
			}
			continue
		}
		for i := range all {
			s.take(&all[i])
		}
	}
}

// wait lets d pass, or less if ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// take acts on a datagram.
func (s *Server) take(d *multicast.Datagram) {
	ip := d.From.Addr().As4()
	if d.From.Port() != s.conn.Peer().Port() || ip == s.from {
		s.count.foreign.Add(1)
		return
	}
	p, err := wire.Parse(d.Data, s.o.Geometry)
	if err == nil {
		err = p.CheckSource(ip, s.group)
	}
	if err != nil {
		s.count.bad.Add(1)
		return
	}
	if !p.ForServer() {
		s.count.foreign.Add(1)
		return
	}
	if m, ok := p.Wanted(); ok {
		s.want(ip, &m)
		return
	}
	s.member(d, ip, &p)
}

// want takes a request.
func (s *Server) want(ip [4]byte, m *wire.Partial) {
	s.count.requests.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	c := s.roster.asked(ip, now)
	s.code(now)
	if s.layout.CheckPartial(m) != nil {
		s.count.bad.Add(1)
		return
	}
	lost := c != nil && s.seen[m.Chunk] > c.since
	if s.underway(m) || lost && s.crossed(now, c, m) {
		return
	}
	q := s.queueFor(c, m)
	before := q.Stats().Wanted
	if m.Blocks.Empty() {
		return
	}
	if _, err := q.Add(now, m); err != nil {
		s.count.bad.Add(1)
		return
	}
	// What was sent since the client is here, it has lost. What others want too,
	// or it has asked for before, is not counted twice.
	if lost {
		q.Lost(m)
		n := q.Stats().Wanted - before
		c.lost += n
		s.turn.late(now, s.sent[m.Chunk].at, n)
	}
	s.busy = now
	wake(s.work)
}

// crossed tells whether a request for much more of a chunk than gets lost was most
// likely sent before the client saw what came of it. If it has lost that, it asks
// again. The lock is held.
func (s *Server) crossed(now time.Duration, c *member, m *wire.Partial) bool {
	blocks := float64(s.layout.Len(m.Chunk))
	return c.coded && float64(m.Blocks.Count()) > blocks*(unusual+2*s.queue.Loss()) &&
		stamp(now)-s.sent[m.Chunk].at < uint32(crossing/time.Millisecond)
}

// code says whether repairs may be coded now. A round of requests comes when a
// chunk is over, or some blocks after. The lock is held.
func (s *Server) code(now time.Duration) {
	const after = 64
	gather := gatherTime + time.Duration(after*s.pace.block/s.pace.rate*float64(time.Second))
	if gather = min(gather, mostGather); s.queue.Busy() {
		gather = max(gather, busyGather)
	}
	s.queue.Code(!s.o.Classic && s.roster.coded(now), gather)
}

// wake puts a token where one fits.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// answer queues a packet, if there is room.
func (s *Server) answer(to netip.AddrPort, m wire.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replies) < maxReplies {
		s.replies = append(s.replies, reply{to, m})
		wake(s.answers)
	}
}

// member acts on what is not a request for blocks.
func (s *Server) member(d *multicast.Datagram, ip [4]byte, p *wire.Packet) {
	if m, ok := p.Join(); ok {
		to := s.joined(d, m.ID)
		s.answer(to, wire.JoinReply{Blocks: int32(s.layout.Blocks)})
		s.heartbeat(to, m.ID, s.o.Heartbeat)
	}
	if m, ok := p.Join2(); ok {
		to := s.joined(d, m.ID)
		var blocks int32
		if m.Blocks == wire.UnderstandsCoded {
			s.mu.Lock()
			s.roster.understands(ip, m.ID)
			s.mu.Unlock()
			// The answer to all may reach a real client: it has what that expects.
			if to == d.From && !s.o.Classic {
				blocks = wire.SendsCoded
			}
		}
		s.answer(to, wire.Join2Reply{
			ID: m.ID, Blocks: blocks, ChunkBlocks: int32(s.o.Geometry.Blocks()), BlockSize: int32(s.o.Geometry.BlockSize()), Bytes: uint64(s.o.Size),
		})
		if s.heartbeat(to, m.ID, s.o.Heartbeat); s.o.Heartbeat <= 0 && blocks == wire.SendsCoded {
			s.heartbeat(d.From, m.ID, reportEvery)
		}
	}
	if m, ok := p.Leave(); ok {
		s.leave(ip, p, m)
	}
	if m, ok := p.ProgressReply(); ok {
		s.progress(ip, m)
	}
}

// heartbeat asks a client that has just joined for reports, if there are to be any.
func (s *Server) heartbeat(to netip.AddrPort, id uint32, every time.Duration) {
	if every > 0 {
		s.answer(to, wire.Progress{ID: id, Interval: uint32(max(every/time.Second, 1)), What: wire.ProgressSummary, Seq: 1})
	}
}

// joined takes note of a client, and tells where to answer. One that asks again
// has not heard the answer. Then it goes to all, to whom it is no less true: to
// find one client's address can take the kernel a second, where packets get lost.
func (s *Server) joined(d *multicast.Datagram, id uint32) netip.AddrPort {
	ip := d.From.Addr().As4()
	s.count.joins.Add(1)
	s.mu.Lock()
	now := s.now()
	fresh := s.roster.join(ip, id, now)
	s.busy = now
	s.mu.Unlock()
	wake(s.work) // the room may be complete
	if fresh {
		s.tell(Event{Kind: Joined, Client: address(ip), ID: id})
		return d.From
	}
	return s.conn.Peer()
}

func (s *Server) leave(ip [4]byte, p *wire.Packet, m wire.Leave) {
	s.mu.Lock()
	known := s.roster.leave(ip, m.ID, s.now())
	s.mu.Unlock()
	if !known {
		return
	}
	s.count.leaves.Add(1)
	e := Event{Kind: Left, Client: address(ip), ID: m.ID, Elapsed: time.Duration(m.Seconds) * time.Second}
	if m, ok := p.Leave2(); ok && m.Stats.Version == wire.StatsVersion {
		e.Stats = &m.Stats
	}
	s.tell(e)
}

func (s *Server) progress(ip [4]byte, m wire.ProgressReply) {
	s.mu.Lock()
	now := s.now()
	c := s.roster.heard(ip, now)
	if s.busy = now; c != nil && c.joined && c.id == m.ID && m.What != 0 {
		c.report(now, m.Expanded)
	}
	tell := c != nil && m.What != 0 && (s.o.Heartbeat > 0 || !c.coded)
	s.mu.Unlock()
	if tell {
		s.tell(Event{Kind: Progress, Client: address(ip), ID: m.ID, Report: &m})
	}
}
