package imaging

import (
	"context"
	"errors"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// mostBuffers are the chunks that are received at a time at most, of 1 MiB each.
const mostBuffers = 64

// cast counts what comes of an image by multicast.
type cast struct {
	mu     sync.Mutex
	client *frisbee.Client // of the session going on
	block  int64           // bytes
	before int64           // bytes that came by sessions that are over
	jumbo  bool            // the server has turned out to send large blocks
}

// bytes is how much came so far, each block counted once.
func (c *cast) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.before
	if c.client != nil {
		b := c.client.Stats().Blocks
		n += int64(b.Useful+b.Solved) * c.block
	}
	return n
}

// follow counts for another session.
func (c *cast) follow(client *frisbee.Client, block int) {
	n := c.bytes()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.client, c.block = n, client, int64(block)
}

// size is that of the file, as the session tells; 0 if it has not.
func (c *cast) size() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		return 0
	}
	return c.client.Size()
}

// run receives by multicast until all is there, or nothing comes that way.
func (c *cast) run(ctx context.Context, r *Room, o frisbee.ClientOptions, from string) error {
	o.Workers, o.Buffers = fetchers, mostBuffers
	if free := available(); free > 0 {
		o.Buffers = int(max(4, min(int64(o.Buffers), free/8>>20)))
	}
	err := c.receive(ctx, *r, o, from)
	// What blocks a session has only its server tells.
	if other := (*wire.GeometryError)(nil); errors.As(err, &other) && r.Block == 0 && !c.jumbo {
		c.jumbo = true
		err = c.receive(ctx, *r, o, from)
	}
	return err
}

func (c *cast) receive(ctx context.Context, r Room, o frisbee.ClientOptions, from string) error {
	if c.jumbo {
		r.Block = wire.Jumbo.BlockSize()
	}
	client, err := r.join(ctx, o, from)
	if err != nil {
		return err
	}
	c.follow(client, r.geometry().BlockSize())
	return client.Run(ctx)
}

// patchRoom fetches and writes by multicast what the pass has found to be
// needed, and by other means what did not come.
func (p *pass) patchRoom(ctx context.Context, d *indexed) error {
	if len(p.needed) == 0 {
		return nil
	}
	r, room := p.w.report, p.w.o.Room
	t := newFrameTaker(p, d)
	err := p.w.source.cast.run(ctx, room, frisbee.ClientOptions{
		Bytes: uint64(d.file.Size()), Want: t.want, Chunk: within(ctx, t.take), Run: frameRun, Repair: repair(d.file),
		Log: r.log(api.Fetch, p.w.o.Log),
	}, p.w.o.Source)
	if err = t.outcome(ctx, err, r, "spans"); err != nil {
		return err
	}
	left := t.left()
	if len(left) > 0 {
		p.w.o.Log.Debug("fetching spans that did not come, or not whole", "spans", len(left))
	}
	return p.fetchAll(ctx, left)
}

// passRoom says once that an image does not come by multicast though it could.
func (w *write) passRoom() {
	if w.o.Room != nil {
		w.report.warn(api.Fetch, "multicast is of no use for "+w.source.format+", or where a sha256 of the file is to be checked: going by HTTP")
	}
}
