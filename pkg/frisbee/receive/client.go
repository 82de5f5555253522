package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

type flags uint8

const (
	wanted  flags = 1 << iota
	done          // complete: the consumer's business
	mine          // we have asked for it ourselves
	dropped       // blocks of it were dropped for lack of a buffer
	queued        // eager: somebody asked for all of it, no block has come
)

// chunk is what is known of each chunk of the file.
type chunk struct {
	// at is a time in ms, plus one so that 0 is never. Of a classic client: when
	// anybody last asked for the chunk. Of an eager one: when anybody asked for
	// it first since the server last came by.
	at    uint32
	slot  int16 // number of its buffer plus one
	flags flags
}

func (s *chunk) is(f flags) bool { return s.flags&f != 0 }

// lacks tells whether the chunk is still needed.
func (s *chunk) lacks() bool { return s.flags&(wanted|done) == wanted }

func stamp(now time.Duration) uint32 { return uint32(max(now, 0)/time.Millisecond) + 1 }

// Client is the state of one session. It is not safe for concurrent use.
type Client struct {
	o         Options
	layout    wire.Layout
	blockSize int
	chunks    []chunk
	order     order
	slots     []slot
	ready     []int16 // numbers of complete slots
	out       []wire.Message
	lacking   int // wanted chunks that are not complete
	filling   int // slots in that state
	empty     int // slots in that state
	muted     bool
	coding    bool   // what is asked for is believed to come coded
	sum       []byte // of one block
	count     Counters
	tempo     tempo

	idle    int           // classic: ticks until it asks
	backoff int           // classic: ticks added to that
	quiet   time.Duration // classic: since when no packet came, or the last tick

	eager eager
}

// maxOut bounds the requests not sent yet. Others are lost, as on the network.
const maxOut = 256

// New starts a session at time 0, when the size of the file is known. The error
// is a *wire.SizeError.
func New(o Options) (*Client, error) {
	layout, err := wire.NewLayout(o.Geometry, o.Bytes)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	n := layout.Chunks()
	c := &Client{
		o: o, layout: layout, blockSize: o.Geometry.BlockSize(),
		chunks: make([]chunk, n), order: newOrder(n, o.Run, o.Random),
		slots: make([]slot, min(int64(o.Buffers), n)), idle: 1,
	}
	c.empty, c.coding, c.sum = len(c.slots), o.Coded && o.Eager, make([]byte, c.blockSize)
	for k := range c.chunks {
		if o.Want == nil || o.Want(int32(k)) {
			c.chunks[k].flags = wanted
			c.lacking++
		}
	}
	c.eager.init(c)
	return c, nil
}

// Layout is the file's, to check packets with.
func (c *Client) Layout() wire.Layout { return c.layout }

// Lacking is the number of chunks that are needed and not complete.
func (c *Client) Lacking() int { return c.lacking }

// Done tells whether all that is needed is received, and released again.
func (c *Client) Done() bool { return c.lacking == 0 && c.empty == len(c.slots) }

// Mute keeps the client from asking for anything, as long as it is on. It takes
// what flows.
func (c *Client) Mute(on bool) {
	c.muted = on
	c.eager.next = 0
	if on {
		c.out = nil
	}
}

// Send is the next request to send to the group.
func (c *Client) Send() (wire.Message, bool) {
	if len(c.out) == 0 {
		return nil, false
	}
	m := c.out[0]
	c.out[0] = nil
	if c.out = c.out[1:]; len(c.out) == 0 {
		c.out = nil
	}
	return m, true
}

// Block takes a block that arrived. Its data is copied.
func (c *Client) Block(now time.Duration, b wire.Block) {
	if len(b.Data) != c.blockSize || c.layout.CheckBlock(b) != nil {
		c.count.Bad++
		return
	}
	k, index := b.Chunk, int(b.Index)
	c.quiet, c.backoff = now, 0
	c.clock(now)
	if c.o.Eager {
		c.pass(now, k, index)
		defer c.afterBlock(now)
	}
	st := &c.chunks[k]
	switch {
	case st.is(done):
		c.count.DupDone++
		return
	case !st.is(wanted):
		c.count.Unwanted++
		return
	}
	s := c.slotOf(k)
	if s == nil {
		if s = c.claim(k, index); s == nil {
			st.flags = st.flags&^queued | dropped
			c.count.NoBuffer++
			return
		}
		if c.o.Eager {
			c.opened(s, index)
		}
	}
	if !s.missing.Has(index) {
		c.count.DupOpen++
		return
	}
	c.count.Useful++
	c.idle = c.o.IdleTicks
	if c.o.Eager {
		c.eager.useful = now
	} else {
		st.at = stamp(now)
	}
	if c.put(s, index, b.Data) && !c.o.Eager {
		c.request(now, false)
	}
}

// Request takes note of what another client asked for.
func (c *Client) Request(now time.Duration, r wire.Request) {
	if c.layout.CheckRequest(r) != nil {
		c.count.BadRequests++
		return
	}
	p := wire.Partial{Chunk: r.Chunk}
	p.Blocks.SetRange(int(r.First), int(r.Count))
	if c.snoop(now, &p) && !c.o.Eager {
		c.idle = c.o.IdleTicks
	}
}

// Partial takes note of what another client asked for.
func (c *Client) Partial(now time.Duration, p *wire.Partial) {
	if c.layout.CheckPartial(p) != nil {
		c.count.BadRequests++
		return
	}
	c.snoop(now, p)
}

// snoop tells whether what another asked for is of use here.
func (c *Client) snoop(now time.Duration, p *wire.Partial) bool {
	c.count.Snooped++
	c.quiet = now
	st := &c.chunks[p.Chunk]
	if c.o.Eager {
		c.note(now, p.Chunk, &p.Blocks)
		c.look(now)
	}
	if !st.lacks() {
		return false
	}
	if s := c.slotOf(p.Chunk); s != nil {
		if !s.missing.Meets(&p.Blocks) {
			return false
		}
		s.dubious = false
	}
	st.flags &^= dropped
	if !c.o.Eager {
		st.at = stamp(now)
	}
	return true
}

// Tick is for when no packet came for as long as Wait said. One that comes
// early does nothing.
func (c *Client) Tick(now time.Duration) {
	if c.o.Eager {
		c.look(now)
		return
	}
	if now-c.quiet < c.o.Timeout {
		return
	}
	c.quiet = now
	if c.idle--; c.idle > 0 || c.lacking == 0 {
		return
	}
	if c.request(now, true) {
		c.count.Timeouts++
	}
	c.idle = c.o.IdleTicks + c.backoff
	c.backoff = min(c.backoff+1, maxBackoff)
}

// Wait is how long to wait for a packet before Tick, never negative.
func (c *Client) Wait(now time.Duration) time.Duration {
	if c.o.Eager {
		return max(0, c.eager.next-now)
	}
	return max(0, c.quiet+c.o.Timeout-now)
}
