package frisbee

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// span is for how long a client watches whether it keeps up. Two such spans in
	// a row tell, or ourselves where the server has no word in it.
	span      = 1500 * time.Millisecond
	ourselves = 4
	// maxInterval and maxDelay of reports are those of the real client.
	maxInterval = 4295 * time.Second
	maxDelay    = 5 * time.Second
	// useless is how many times longer than silence a client puts up with data
	// that it has no use for: of others in a long queue, or of somebody who wants
	// to keep it waiting.
	useless = 5
)

// report are the reports that a server asked for.
type report struct {
	due      time.Time // zero if none is
	interval time.Duration
	what     uint16
	seq      uint16
}

// ask notes what a server asks for. The first report waits at random, so that
// those of a room do not come at a time.
func (r *report) ask(m wire.Progress, most time.Duration) {
	interval := min(time.Duration(m.Interval)*time.Second, maxInterval)
	if interval > 0 {
		most = min(most, interval)
	}
	*r = report{
		due:      time.Now().Add(rand.N(most)),
		interval: interval, what: m.What, seq: m.Seq,
	}
}

// look does what is due at a time.
func (c *Client) look(ctx context.Context, at time.Time) error {
	if err := c.sendReport(ctx, at); err != nil {
		return err
	}
	c.mu.Lock()
	lacking, out, n := c.state.Lacking(), c.out, c.state.Counters()
	c.mu.Unlock()
	busy := lacking == 0 || 4*out >= cap(c.ready)
	if busy {
		c.lastData = at // that nothing comes is the consumer's doing, not the network's
	}
	if now := n.Useful + n.Coded + n.Supplied; busy || now != c.useful {
		c.useful, c.lastUseful = now, at
	}
	quiet := max(at.Sub(c.lastData), at.Sub(c.lastUseful)/useless)
	switch {
	case !c.heard && at.Sub(c.start) >= c.o.NoData && quiet >= min(graceForData, c.o.NoData):
		return &SilentError{Answered: true, After: at.Sub(c.start).Round(time.Millisecond)}
	case c.heard && c.o.Repair != nil && quiet >= c.o.Quiet:
		c.lastData, c.lastUseful = at, at
		wake(c.needed)
	case c.o.Repair == nil && quiet >= c.o.GiveUp:
		return &QuietError{Missing: lacking, After: quiet.Round(time.Millisecond)}
	}
	return c.keepUp(ctx, at)
}

// sendReport tells the server how far the client is, if it asked.
func (c *Client) sendReport(ctx context.Context, at time.Time) error {
	r := &c.report
	if r.due.IsZero() || at.Before(r.due) || c.server == [4]byte{} {
		return nil
	}
	c.mu.Lock()
	m := wire.ProgressReply{
		ID: c.id, Who: c.from, Time: uint32(at.Unix()), What: r.what, Seq: r.seq,
		Received: uint32(c.count.chunks) + uint32(c.out), Expanded: uint32(c.count.chunks), Written: c.count.bytes,
	}
	if r.what&wire.ProgressStats != 0 {
		m.Stats = c.wireStats()
	}
	c.mu.Unlock()
	r.seq++
	if r.due = at.Add(r.interval); r.interval == 0 {
		r.due = time.Time{}
	}
	return c.transmitTo(ctx, netip.AddrPortFrom(address(c.server), c.conn.Peer().Port()), m)
}

// keepUp leaves the room if this machine is too slow for it.
func (c *Client) keepUp(ctx context.Context, at time.Time) error {
	if c.o.Repair == nil {
		return nil
	}
	c.mu.Lock()
	lags, n := c.state.Lags(c.now(), c.span, c.o.Behind), c.state.Counters()
	c.mu.Unlock()
	// Where all are as slow, what each misses comes of what others ask for.
	if lags < 2 || at.After(c.behind) && (c.orbit || lags < ourselves) {
		return nil
	}
	c.o.Log.Warn("too slow for the room: leaving it for a transfer of its own", "missed", n.NoBuffer, "taken", n.Useful+n.Coded)
	c.goodbye(ctx)
	c.away.Store(true)
	c.mu.Lock()
	c.state.Mute(true)
	c.mu.Unlock()
	c.conn.Close()
	wake(c.needed)
	return errAway
}
