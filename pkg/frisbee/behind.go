package frisbee

import (
	"net/netip"
	"slices"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// lately is over how many rounds losses are averaged, about.
	lately = 8
	// byChance is the share of what is sent that a client may lose more than most
	// do without being behind.
	byChance = 1.0 / 128
	// theirs is how many blocks go to the rest for each of what those have had
	// already who are behind.
	theirs = 8
	// reportEvery is how often Orbit's clients are to tell how many chunks they
	// have. What comes sooner than leastReport after the one before tells nothing.
	reportEvery = time.Second
	leastReport = reportEvery / 4
	// wordRounds are between words to one who is behind.
	wordRounds = 4
)

// behind is what clients far behind the rest cause: ones whose disks are too slow
// for the room, or whose links are. What they ask for again waits behind what the
// rest needs.
type behind struct {
	queue *queue.Queue // what they ask for again
	owed  int          // blocks that went to the rest since, less theirs for each that did not

	at     time.Duration // when it was last looked who they are
	rounds int           // how often it was
	taken  uint64        // blocks from the queues until then
	sent   float64       // in a round, the mean of the last ones
}

// rank finds out who is behind, if it is time, and tells those of Orbit's. The
// lock is held.
func (s *Server) rank(now time.Duration) {
	b := &s.behind
	taken := s.queue.Stats().Sent + b.queue.Stats().Sent
	if now-b.at < round || taken-b.taken < enough {
		return
	}
	b.sent += (float64(taken-b.taken) - b.sent) / lately
	b.at, b.taken = now, taken
	b.rounds++
	s.roster.rank(now, b.sent, s.o.Share)
	for ip, c := range s.roster.clients {
		if !c.joined || !c.coded || !c.here(now) || len(s.replies) >= maxReplies {
			continue
		}
		m := wire.Progress{ID: c.id, What: wire.ProgressBehind}
		switch {
		case c.behind%wordRounds == 1:
		case s.o.Heartbeat <= 0 && b.rounds%wordRounds == 0 && !c.paced(now):
			// It has not heard that it is to report.
			m = wire.Progress{ID: c.id, Interval: uint32(reportEvery / time.Second), What: wire.ProgressSummary, Seq: 1}
		default:
			continue
		}
		s.replies = append(s.replies, reply{netip.AddrPortFrom(address(ip), s.conn.Peer().Port()), m})
		wake(s.answers)
	}
}

// rank finds out which clients are far behind the rest, where so many blocks are sent in a
// round. They are of those beyond the share to wait for, and lose far more than
// the median or, by what they report, get less than half as much as the slowest
// of the others.
func (r *roster) rank(now time.Duration, sent, share float64) {
	var lost, pace []float64
	for _, c := range r.clients {
		c.recent += (float64(c.total+c.lost-c.ranked) - c.recent) / lately
		c.ranked = c.total + c.lost
		if r.counts(c, now) {
			lost = append(lost, c.recent)
			if c.paced(now) {
				pace = append(pace, c.pace)
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	slices.Sort(lost)
	slices.Sort(pace)
	most := max(far*lost[len(lost)/2]+byChance*sent, lost[waited(len(lost), share)-1])
	var least float64
	if n := len(pace); n > 0 {
		least = pace[n-waited(n, share)]
	}
	for _, c := range r.clients {
		slow := c.paced(now) && c.pace < least/2 && c.pace < least-1
		if !c.here(now) || c.recent <= most && !slow {
			c.behind = 0
			continue
		}
		c.behind++
	}
}

// waited is how many of n clients to wait for. Of a small room one may be left
// behind.
func waited(n int, share float64) int { return max(int(share*float64(n)), 1) }

// report takes note of how many chunks a client has.
func (c *member) report(now time.Duration, chunks uint32) {
	from := c.reported
	if from == 0 {
		from = time.Duration(c.since) * time.Millisecond
	}
	took := now - from
	if took < leastReport || chunks < c.chunks {
		return
	}
	pace := float64(chunks-c.chunks) / took.Seconds()
	if c.reported == 0 {
		c.pace = pace
	}
	c.pace += (pace - c.pace) / 2
	c.reported, c.chunks = now, chunks
}

// paced tells whether it is known how fast a client is.
func (c *member) paced(now time.Duration) bool {
	return c.here(now) && c.reported > 0 && now-c.reported < 4*reportEvery
}

// here tells whether a client is in the room, as far as it shows.
func (c *member) here(now time.Duration) bool { return !c.left && now-c.last < forget }

// counts tells whether the rate and the pace of the others depend on a client. A
// stranger's word is worth nothing where there are clients that have joined; all are
// strangers to a server that was started anew.
func (r *roster) counts(c *member, now time.Duration) bool {
	return c.here(now) && (c.joined || r.here == 0)
}

// queueFor is where what a client asks for waits. What need not wait is taken out
// of the request. The lock is held.
func (s *Server) queueFor(c *member, m *wire.Partial) *queue.Queue {
	if c == nil || c.behind == 0 || s.seen[m.Chunk] == 0 {
		return s.queue
	}
	s.queue.Trim(m)
	return s.behind.queue
}

// takeWork takes what to send next from the queues. A chunk is never broken off
// for another: clients would take the rest of it for lost. The lock is held.
func (s *Server) takeWork(now time.Duration, most int) (queue.Work, bool) {
	b := &s.behind
	late := b.queue.Blocks() > 0
	if !late {
		b.owed = 0
		if !b.queue.Midway() {
			b.queue.Next(now, 1) // what it gave last is sent
		}
	}
	if !late || s.queue.Midway() || b.owed <= 0 && !b.queue.Midway() {
		if w, ok := s.queue.Next(now, most); ok {
			if late {
				b.owed += int(w.Count)
			}
			return w, true
		}
	}
	w, ok := b.queue.Next(now, most)
	if b.owed -= theirs * int(w.Count); s.queue.Blocks() == 0 {
		b.owed = 0
	}
	return w, ok
}
