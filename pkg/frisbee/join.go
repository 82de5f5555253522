package frisbee

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/receive"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

const (
	// joinSoon is how long the first join waits for its answer, and each of the
	// next twice as long as the one before, up to joinAgain. Who joins late makes
	// the server send again what flows meanwhile, to all.
	joinSoon  = 20 * time.Millisecond
	joinAgain = 500 * time.Millisecond
	// bothAfter so long both kinds of join are sent. JOIN2 tells the exact size,
	// and all known servers answer it.
	bothAfter = time.Second
	// graceForData is the least time for data to come once a server has answered.
	graceForData = 2 * time.Second
)

// join asks for the file until a server answers.
func (c *Client) join(ctx context.Context) error {
	c.start = time.Now()
	if err := c.conn.Refresh(); err != nil {
		c.o.Log.Debug("frisbee cannot announce its membership", "err", err)
	}
	var other error // why the only server that answered is of no use
	end := c.start.Add(c.o.NoData)
	pause := joinSoon
	for again := c.start; c.state == nil; {
		now := time.Now()
		switch {
		case !now.Before(end):
			if other != nil {
				return other
			}
			return &SilentError{After: c.o.NoData}
		case !now.Before(again):
			again = now.Add(pause)
			pause = min(2*pause, joinAgain)
			if err := c.sendJoins(ctx, now); err != nil {
				return err
			}
		}
		until := again
		if end.Before(until) {
			until = end
		}
		all, err := c.receive(ctx, until)
		if err != nil {
			return err
		}
		for i := range all {
			p, ok := c.accept(&all[i])
			switch {
			case !ok:
			case c.state != nil: // what follows the answer at once
				c.mu.Lock()
				c.take(c.now(), &p)
				c.mu.Unlock()
			default:
				// It may be a forged one, and the true one may come yet.
				// What a server of other blocks says of its file means nothing.
				if err := c.answered(&all[i], &p); err != nil && !errors.As(other, new(*wire.GeometryError)) {
					other = err
				}
			}
		}
	}
	return nil
}

// receive gives what came until a time, if anything did.
func (c *Client) receive(ctx context.Context, until time.Time) ([]multicast.Datagram, error) {
	all, err := c.conn.Receive(ctx, until)
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		return all, nil
	case multicast.Temporary(err):
		return nil, wait(ctx, respite)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, err
}

// transmit sends a packet to the group. One that the network does not take now is
// lost like any other.
func (c *Client) transmit(ctx context.Context, m wire.Message) error {
	return c.transmitTo(ctx, c.conn.Peer(), m)
}

func (c *Client) transmitTo(ctx context.Context, to netip.AddrPort, m wire.Message) error {
	_, err := c.conn.SendTo(ctx, to, []multicast.Packet{{Data: m.Append(nil, c.o.Geometry, c.from)}})
	if err != nil && (multicast.Temporary(err) || errors.Is(err, os.ErrClosed)) {
		c.o.Log.Debug("frisbee cannot send", "err", err)
		return nil
	}
	return err
}

func (c *Client) sendJoins(ctx context.Context, now time.Time) error {
	c.joins.Add(1)
	m := wire.Join2{ID: c.id, ChunkBlocks: int32(c.o.Geometry.Blocks()), BlockSize: int32(c.o.Geometry.BlockSize())}
	if !c.o.Classic {
		m.Blocks = wire.UnderstandsCoded
	}
	err := c.transmit(ctx, m)
	if c.both = now.Sub(c.start) >= bothAfter; err == nil && c.both {
		err = c.transmit(ctx, wire.Join{ID: c.id})
	}
	return err
}

// accept gives the packet of a datagram, if it is one for this client.
func (c *Client) accept(d *multicast.Datagram) (wire.Packet, bool) {
	ip := d.From.Addr().As4()
	if d.From.Port() != c.conn.Peer().Port() || ip == c.from {
		c.count.foreign.Add(1)
		return wire.Packet{}, false
	}
	p, err := wire.Parse(d.Data, c.o.Geometry)
	if err == nil {
		err = p.CheckSource(ip, c.group)
	}
	if err != nil {
		c.count.bad.Add(1)
		return wire.Packet{}, false
	}
	if !p.ForClient() || c.server != [4]byte{} && ip != c.server && p.Kind != wire.KindRequest && p.Kind != wire.KindPartial {
		c.count.foreign.Add(1)
		return wire.Packet{}, false
	}
	return p, true
}

// answered takes a server's answer to a join, if the packet is one.
func (c *Client) answered(d *multicast.Datagram, p *wire.Packet) error {
	var layout wire.Layout
	var bytes uint64
	var err error
	coded := false
	if m, ok := p.Join2Reply(); ok && m.ID == c.id {
		bytes, coded = m.Bytes, m.Blocks == wire.SendsCoded
		layout, err = m.Layout(c.o.Geometry)
	} else if m, ok := p.JoinReply(); ok && c.both {
		layout, err = m.Layout(c.o.Geometry)
		bytes = uint64(layout.Blocks) * uint64(c.o.Geometry.BlockSize())
	} else {
		return nil
	}
	if err != nil {
		return err
	}
	if want := c.o.Bytes; want != 0 {
		if l, err := wire.NewLayout(c.o.Geometry, want); err != nil || l != layout || p.Kind == wire.KindJoin2 && want != bytes {
			return &OtherFileError{Want: want, Got: bytes}
		}
		bytes = want
	}
	state, err := receive.New(receive.Options{
		Geometry: c.o.Geometry, Bytes: bytes, Want: c.o.Want, Buffers: c.o.Buffers,
		Run: c.o.Run, Random: rand.IntN, Eager: !c.o.Classic, Coded: coded,
	})
	if err != nil {
		return err
	}
	// Some servers answer from the group's address: then any may send data.
	if ip := d.From.Addr().As4(); ip != c.group {
		c.server = ip
	}
	now := time.Now()
	c.mu.Lock()
	c.state, c.began, c.bytes = state, now, bytes
	c.ready = make(chan receive.Chunk, c.o.Buffers)
	c.mu.Unlock()
	c.orbit, c.lastData, c.lastUseful = coded, now, now
	return nil
}
