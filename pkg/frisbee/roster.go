package frisbee

import "time"

const (
	// forget is how long a client must be silent to make room for another.
	forget = 30 * time.Second
	// sweep is how often room is made at most: a flood of strangers costs no
	// more than that.
	sweep = time.Second
	// belated is for how long requests may come from a client that has left.
	belated = time.Second
)

// roster are the clients that a server knows, by address.
type roster struct {
	most    int
	clients map[[4]byte]*member
	joined  int           // that have ever joined
	here    int           // joined and not left
	classic int           // of those, that do not understand coded blocks
	plain   time.Duration // until then none are sent: a stranger asked for blocks, or a client was forgotten
	swept   time.Duration
}

// member is one client.
type member struct {
	id       uint32
	since    uint32        // stamp of when it was first heard, or last joined
	last     time.Duration // when it was last heard
	gone     time.Duration // when it left
	joined   bool
	left     bool
	coded    bool          // understands coded blocks
	lost     uint64        // blocks asked for that it ought to have, in the present round
	total    uint64        // in earlier rounds
	ranked   uint64        // lost in all, when it was last ranked
	recent   float64       // lost in a round, the mean of the last ones
	pace     float64       // chunks/s that it gets, by its last reports
	chunks   uint32        // that it had at the last
	reported time.Duration // when that came, or 0
	behind   int           // for how many rounds it has been far behind the rest
}

func newRoster(most int) roster { return roster{most: most, clients: map[[4]byte]*member{}} }

// stamp is a time in ms, plus one so that 0 is never.
func stamp(now time.Duration) uint32 { return uint32(max(now, 0)/time.Millisecond) + 1 }

// heard gives the client with an address, a new one if there is room for it.
func (r *roster) heard(ip [4]byte, now time.Duration) *member {
	c := r.clients[ip]
	if c == nil {
		if len(r.clients) >= r.most && !r.makeRoom(now) {
			return nil
		}
		c = &member{since: stamp(now)}
		r.clients[ip] = c
	}
	c.last = now
	return c
}

// asked gives the client that asks for blocks. One that has left and asks again
// is back.
func (r *roster) asked(ip [4]byte, now time.Duration) *member {
	c := r.heard(ip, now)
	switch {
	case c == nil || !c.joined:
		r.plain = now + Patience // it may be a real one, and silent from now on
	case c.left && now-c.gone > belated:
		c.left = false
		r.count(c, 1)
	}
	return c
}

// count counts a client that comes, or goes with -1.
func (r *roster) count(c *member, n int) {
	r.here += n
	if !c.coded {
		r.classic += n
	}
}

// understands notes that a client that has joined understands coded blocks.
func (r *roster) understands(ip [4]byte, id uint32) {
	if c := r.clients[ip]; c != nil && c.joined && !c.left && c.id == id && !c.coded {
		r.count(c, -1)
		c.coded = true
		r.count(c, 1)
	}
}

// coded tells whether coded blocks are of use, and confuse nobody.
func (r *roster) coded(now time.Duration) bool { return r.here > 1 && r.classic == 0 && now >= r.plain }

// makeRoom forgets the clients that are silent for long. One that is not gone is
// served like any other, and known again when it speaks.
func (r *roster) makeRoom(now time.Duration) bool {
	if r.swept != 0 && now-r.swept < sweep {
		return false
	}
	r.swept = now
	for ip, c := range r.clients {
		if now-c.last >= forget {
			if c.joined && !c.left {
				r.count(c, -1)
				if !c.coded {
					r.plain = now + Patience
				}
			}
			delete(r.clients, ip)
		}
	}
	return len(r.clients) < r.most
}

// join tells whether the client is new: repeated joins are the same one's.
func (r *roster) join(ip [4]byte, id uint32, now time.Duration) bool {
	c := r.heard(ip, now)
	if c == nil {
		return false
	}
	if c.joined && !c.left && c.id == id {
		c.since = stamp(now) // has not heard the answer, and takes nothing before it has
		return false
	}
	if c.joined && !c.left {
		r.count(c, -1)
	}
	r.joined++
	*c = member{id: id, joined: true, since: stamp(now), last: now, total: c.total + c.lost}
	r.count(c, 1)
	return true
}

// leave tells whether a client with this address and id was here.
func (r *roster) leave(ip [4]byte, id uint32, now time.Duration) bool {
	c := r.clients[ip]
	if c == nil || !c.joined || c.left || c.id != id {
		return false
	}
	c.left, c.last, c.gone = true, now, now
	r.count(c, -1)
	return true
}

// left tells whether all who joined have left, or must have, if nothing was to do
// for so long. A real client says nothing as long as its disk is busy, and has
// nowhere else to go.
func (r *roster) left(quiet time.Duration) bool {
	switch {
	case r.joined == 0 || quiet < afterLast:
		return false
	case r.here == 0:
		return true
	case r.classic > 0:
		return quiet >= Patience
	}
	return quiet >= afterWord
}
