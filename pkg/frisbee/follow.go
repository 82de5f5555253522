package frisbee

import (
	"context"
	"errors"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/receive"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// glance is the longest time that the client only waits for packets.
const glance = 25 * time.Millisecond

// Packets that come one by one, as they do at the rate of a room, cost a wakeup
// each, which is several times the work of taking them. After fewer than sparse of
// them the client lets a nap's worth gather in its socket.
const (
	sparse = 32
	nap    = 4 * time.Millisecond
)

// listen follows the session until it is over.
func (c *Client) listen(ctx context.Context) error {
	refresh := time.Now().Add(c.o.Keepalive)
	for came := sparse; ; {
		if came > 0 && came < sparse {
			if err := wait(ctx, nap); err != nil {
				return err
			}
		}
		c.mu.Lock()
		pause := min(c.state.Wait(c.now()), glance)
		c.mu.Unlock()
		all, err := c.receive(ctx, time.Now().Add(pause))
		if err == nil && len(all) == 0 {
			// If this machine was too busy to look in time, there may be something.
			all, err = c.receive(ctx, time.Now())
		}
		if err != nil {
			return err
		}
		came = len(all)
		c.mu.Lock()
		now := c.now()
		for i := range all {
			if p, ok := c.accept(&all[i]); ok {
				c.take(now, &p)
			}
		}
		if len(all) == 0 || c.state.Wait(now) == 0 { // what came may be of no use
			c.state.Tick(now)
		}
		c.mu.Unlock()
		if err := c.pump(ctx); err != nil {
			return err
		}
		at := time.Now()
		if at.After(refresh) {
			refresh = at.Add(c.o.Keepalive)
			if err := c.conn.Refresh(); err != nil {
				c.o.Log.Debug("frisbee cannot refresh its membership", "err", err)
			}
		}
		if err := c.look(ctx, at); errors.Is(err, errAway) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// now is the time of the state.
func (c *Client) now() time.Duration { return time.Since(c.began) }

// take acts on a packet. The lock is held.
func (c *Client) take(now time.Duration, p *wire.Packet) {
	if b, ok := p.Block(); ok {
		c.state.Block(now, b)
		c.lastData, c.heard = time.Now(), true
		return
	}
	if m, ok := p.Coded(); ok {
		c.state.Coded(now, &m)
		c.lastData, c.heard = time.Now(), true
	} else if r, ok := p.Request(); ok {
		c.state.Request(now, r)
	} else if r, ok := p.Partial(); ok {
		c.state.Partial(now, &r)
	} else if m, ok := p.Progress(); ok && m.What == wire.ProgressBehind {
		if m.ID == c.id {
			c.behind = time.Now().Add(2 * c.span)
		}
	} else if ok && (m.ID == 0 || m.ID == c.id) {
		c.report.ask(m, c.delay)
	}
}

// pump hands over what is complete, and sends what is to be asked for.
func (c *Client) pump(ctx context.Context) error {
	for {
		c.mu.Lock()
		for {
			ch, ok := c.state.Chunk()
			if !ok {
				break
			}
			c.out++
			c.ready <- ch // there is room for all buffers
		}
		if c.state.Done() && !c.over {
			c.over = true
			close(c.finished)
		}
		m, ok := c.state.Send()
		c.mu.Unlock()
		if !ok {
			return nil
		}
		if err := c.transmit(ctx, m); err != nil {
			return err
		}
	}
}

// work hands chunks to the consumer.
func (c *Client) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case ch := <-c.ready:
			if err := c.hand(ctx, ch); err != nil {
				return err
			}
		}
	}
}

// hand gives a chunk to the consumer, and its buffer back.
func (c *Client) hand(ctx context.Context, ch receive.Chunk) error {
	err := c.o.Chunk(ctx, ch.Index, ch.Data)
	again := errors.Is(err, ErrBadChunk)
	if again {
		again, err = c.spoilt(ctx, ch, err)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	if again {
		c.state.Again(ch.Index)
	} else {
		c.count.chunks++
		c.count.bytes += uint64(len(ch.Data))
	}
	c.state.Release(c.now(), ch)
	c.out--
	c.mu.Unlock()
	wake(c.released)
	if again {
		c.lacksAgain()
	}
	return c.pump(ctx)
}

// lacksAgain has a chunk fetched that is needed once more. As long as the client
// is in the room it asks there first, and notices when nothing comes of that.
func (c *Client) lacksAgain() {
	if c.away.Load() {
		wake(c.needed)
	}
}
