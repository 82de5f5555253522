package frisbee

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/receive"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// errAway ends listening, not the session.
var errAway = errors.New("has left the room")

// farewell is how long the packet may take that says that a client leaves.
const farewell = time.Second

type clientCounters struct {
	bad, foreign     atomic.Uint64
	chunks, bytes    uint64
	repaired, spoilt uint64
}

// ClientStats are what a client did so far.
type ClientStats struct {
	Chunks   uint64 // taken by the consumer
	Bytes    uint64 // of those
	Repaired uint64 // bytes that came by other means
	Spoilt   uint64 // chunks that were bad
	Joins    uint32 // packets
	Bad      uint64 // packets that are none
	Foreign  uint64 // packets that are not for a client, or from another server
	Blocks   receive.Counters
	Socket   multicast.Stats
}

// Stats are the counters so far.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ClientStats{
		Chunks: c.count.chunks, Bytes: c.count.bytes, Repaired: c.count.repaired, Spoilt: c.count.spoilt,
		Joins: c.joins.Load(), Bad: c.count.bad.Load(), Foreign: c.count.foreign.Load(), Socket: c.conn.Stats(),
	}
	if c.state != nil {
		s.Blocks = c.state.Counters()
	}
	return s
}

// wireStats are the statistics for the server. The lock is held.
func (c *Client) wireStats() wire.Stats {
	s := c.state.Stats(c.now())
	s.Joins, s.Written, s.Covered = c.joins.Load(), c.count.bytes, c.count.bytes
	return s
}

// leave finishes, and tells the server.
func (c *Client) leave(ctx context.Context) error {
	c.mu.Lock()
	s := c.wireStats()
	c.mu.Unlock()
	if c.o.Finish != nil {
		if err := c.o.Finish(ctx, &s); err != nil {
			if !c.away.Load() {
				c.goodbye(context.WithoutCancel(ctx))
			}
			return err
		}
	}
	if !c.away.Load() && !c.o.Stay {
		c.last(ctx, wire.Leave2{ID: c.id, Seconds: c.seconds(), Stats: s})
	}
	return nil
}

// goodbye tells the server that the client leaves without the file.
func (c *Client) goodbye(ctx context.Context) {
	c.last(ctx, wire.Leave{ID: c.id, Seconds: c.seconds()})
}

// last sends what needs not arrive.
func (c *Client) last(ctx context.Context, m wire.Message) {
	ctx, stop := context.WithTimeout(ctx, farewell)
	defer stop()
	if err := c.transmit(ctx, m); err != nil {
		c.o.Log.Debug("frisbee cannot say that it leaves", "err", err)
	}
}

func (c *Client) seconds() int32 { return int32(time.Since(c.start) / time.Second) }
