package frisbee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/receive"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// ClientOptions say what is received, and what becomes of it. Peer, Interface and
// Chunk must be set.
type ClientOptions struct {
	// Peer is the group, the broadcast address or the server, and the port of
	// all.
	Peer      netip.AddrPort
	Interface string
	TTL       int // 0 is 5
	Geometry  wire.Geometry

	// Server is the only one to take data from, if it is valid. Else it is the
	// first that answers.
	Server netip.Addr
	// Bytes is the size of the file, if it is known: a server with another file
	// is refused.
	Bytes uint64
	// Want tells for each chunk whether it is needed. nil: all are.
	Want func(chunk int32) bool

	// Chunk takes a complete chunk. Several goroutines call it at a time, and
	// chunks come in any order; data is not to be kept. After ErrBadChunk the
	// chunk is received again, after any other error nothing is.
	Chunk   func(ctx context.Context, index int32, data []byte) error
	Workers int // that call Chunk at a time; 0 is 2
	Buffers int // chunks in memory; 0 is 64

	// Finish is called when all chunks were taken, before the server is told. It
	// may fill in the statistics that it is told: Written and Covered.
	Finish func(ctx context.Context, s *wire.Stats) error

	// Repair gives n bytes of the file from off on, by other means. It is called
	// for what is missing when no data comes by multicast any more, or when this
	// machine is too slow for the room. nil: all comes by multicast, or not.
	Repair func(ctx context.Context, off, n int64) (io.ReadCloser, error)

	NoData    time.Duration // to wait for the first data until ErrNoMulticast; 0 is 5 s
	Quiet     time.Duration // without data until it repairs; 0 is 2 s
	GiveUp    time.Duration // without data until a *QuietError, where it cannot repair; 0 is a minute
	Keepalive time.Duration // between memberships refreshed; 0 is 30 s
	// Behind is the share of what it needs that a machine may miss because it is
	// too slow, before it leaves the room and repairs, if the server, should it be
	// Orbit's, says that the rest of the room is not so slow; 0 is a half.
	Behind float64

	// Run is how many chunks in a row are asked for in order, the runs being in
	// random order; 0 is 8, or 1 for a Classic one. Long runs are for those who
	// need data of neighbours together.
	Run int

	// ID is by which the server knows the client; 0 is any. Stay keeps from the
	// server that the client ends well, because another one of the same ID follows
	// for more of the file.
	ID   uint32
	Stay bool

	// Classic asks for lost blocks when the real client does, which is later.
	Classic bool
	Log     *slog.Logger // nil is silent
}

const (
	defaultBuffers = 64
	defaultRun     = 8 // so that the server reads its disk in order, too
)

// Client receives one file.
type Client struct {
	o     ClientOptions
	conn  *multicast.Conn
	from  [4]byte
	group [4]byte // zero if Peer is none
	id    uint32
	start time.Time

	// Of the goroutine that receives.
	server     [4]byte // zero if any will do
	report     report
	lastData   time.Time
	heard      bool // any block of the file
	useful     uint64
	lastUseful time.Time // when it grew
	both       bool      // kinds of join were sent
	orbit      bool      // the server is one of Orbit's, which tells who is behind
	behind     time.Time // until then the server's word holds that it is far behind
	span       time.Duration
	delay      time.Duration // most of a first report

	mu       sync.Mutex
	state    *receive.Client // nil until joined
	bytes    uint64          // of the file
	began    time.Time       // the state's time 0
	ready    chan receive.Chunk
	released chan struct{} // holds a token when a buffer was released
	finished chan struct{} // closed when all is received and released
	over     bool          // finished is closed
	out      int           // chunks that the consumer has
	bad      map[int32]int // times that a chunk was bad
	count    clientCounters

	joins  atomic.Uint32
	mended bool          // of the goroutine that repairs: has said so
	away   atomic.Bool   // has left the room to repair by itself
	needed chan struct{} // holds a token when a repair is needed
}

// NewID is an ID that no other client is likely to have.
func NewID() uint32 { return 1 + rand.Uint32N(math.MaxUint32) }

// NewClient opens the socket. Run joins.
func NewClient(o ClientOptions) (*Client, error) {
	o = o.withDefaults()
	conn, err := multicast.Open(multicast.Config{
		Peer: o.Peer, Interface: o.Interface, TTL: o.TTL, Size: o.Geometry.MaxPacket(), ReceiveBuffer: 8 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("receive by frisbee: %w", err)
	}
	c := &Client{
		o: o, conn: conn, from: conn.Local().As4(), id: o.ID, start: time.Now(),
		released: make(chan struct{}, 1), finished: make(chan struct{}), bad: map[int32]int{},
		needed: make(chan struct{}, 1), span: span, delay: maxDelay,
	}
	if c.id == 0 {
		c.id = NewID()
	}
	if conn.Mode() == multicast.Group {
		c.group = conn.Peer().Addr().As4()
	}
	if o.Server.Is4() {
		c.server = o.Server.As4()
	}
	return c, nil
}

func (o ClientOptions) withDefaults() ClientOptions {
	set := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.NoData, 5*time.Second)
	set(&o.Quiet, 2*time.Second)
	set(&o.GiveUp, time.Minute)
	set(&o.Keepalive, defaultKeepalive)
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Buffers <= 0 {
		o.Buffers = defaultBuffers
	}
	o.Buffers = min(o.Buffers, math.MaxInt16)
	if o.Run <= 0 && !o.Classic {
		o.Run = defaultRun
	}
	if o.Behind <= 0 {
		o.Behind = 0.5
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Close frees the port of a client that is not run. It ends one that is.
func (c *Client) Close() error { return c.conn.Close() }

// Run joins, receives all that is wanted, and leaves. It closes the socket. The
// error is an ErrNoMulticast, if no data came at all, an *OtherFileError, a
// *wire.GeometryError, a *QuietError, a *ChunkError, or what Chunk, Finish,
// Repair or the socket gave.
func (c *Client) Run(parent context.Context) error {
	defer c.conn.Close()
	if err := c.join(parent); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	var all sync.WaitGroup
	run := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil {
				stop(err)
			}
		})
	}
	for range c.o.Workers {
		run(c.work)
	}
	run(c.listen)
	if c.o.Repair != nil {
		run(c.mend)
	}
	run(func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-c.finished:
			return errOver
		}
	})
	all.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, errOver) {
		return c.leave(parent)
	}
	if !c.away.Load() {
		c.goodbye(context.WithoutCancel(ctx))
	}
	return err
}

// Again has a chunk received once more that Chunk has taken, because it turned
// out to be bad later. It does so until all chunks are taken, the one that Chunk
// is called for not included, and tells whether it did.
func (c *Client) Again(index int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil || c.over {
		return false
	}
	c.count.spoilt++
	c.state.Again(index)
	c.lacksAgain()
	return true
}

// Size is that of the file in bytes, 0 as long as it is not known.
func (c *Client) Size() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Missing are the bytes of the file that are needed and have not arrived. It is
// empty before the size of the file is known.
func (c *Client) Missing() extent.Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil {
		return extent.Set{}
	}
	return c.state.Missing()
}
