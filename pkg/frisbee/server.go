package frisbee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// ServerOptions say what is served, where and how. File, Size, Peer and Interface
// must be set.
type ServerOptions struct {
	File io.ReaderAt
	Size int64 // bytes

	// Peer is the group, the broadcast address or the one client, and the port
	// of all.
	Peer      netip.AddrPort
	Interface string
	TTL       int // 0 is 5
	Geometry  wire.Geometry

	// Rate is how fast file data is sent, bit/s. 0 adapts to what the room takes.
	Rate int64
	// MaxRate is the most that an adapting server sends, bit/s; 0 is what the
	// interface can. MinRate is the least; 0 is 8 Mbit/s.
	MaxRate, MinRate int64
	// Share of the clients that an adapting server waits for; 0 is 0.9. The
	// others, if they lose far more than most, do not slow the room.
	Share float64

	// MinReceivers are the clients that the server waits for before it sends more
	// than a sign of life, but not longer than MaxWait from the first on, which is
	// a minute if it is 0. Who comes later gets the start of the file later.
	MinReceivers int
	MaxWait      time.Duration

	// Idle ends the session after so long without work; 0 is Patience, and less is
	// never.
	Idle time.Duration
	// UntilLeft ends it when the last known client has left, and for two seconds
	// nobody asks for anything; or if those that are left say nothing for a minute,
	// or for Patience if one of them is Classic.
	UntilLeft bool

	MaxClients int           // that are known at a time; 0 is 4096
	Keepalive  time.Duration // between memberships refreshed; 0 is 30 s
	// Heartbeat asks clients to report progress so often; 0 does not. Clients
	// older than this message log it as an error.
	Heartbeat time.Duration

	// Event is told what clients do. It is called by one goroutine, which hears
	// no requests meanwhile, so it must return soon.
	Event func(Event)
	Log   *slog.Logger // nil is silent

	// Classic repairs as the real server does, never by coded blocks.
	Classic bool
	// Plain sends each block by a system call of its own: to compare with, and
	// for drivers that get the rest wrong.
	Plain bool
}

// Patience is how long real clients may be silent that are in the room, as real
// servers have it: one whose disk is busy asks for nothing.
const Patience = 30 * time.Minute

const (
	defaultIdle      = Patience
	defaultKeepalive = 30 * time.Second
	defaultClients   = 4096
	defaultShare     = 0.9
	defaultMinRate   = 8_000_000
	// afterLast is how long a session goes on after the last client has left,
	// and afterWord after the last word of those that have not.
	afterLast = 2 * time.Second
	afterWord = time.Minute
	// maxReplies are the answers that may wait. More are asked for again.
	maxReplies = 256
)

// Server is one session: a file offered to a room.
type Server struct {
	o      ServerOptions
	layout wire.Layout
	conn   *multicast.Conn
	from   [4]byte
	group  [4]byte // zero if Peer is none
	start  time.Time

	mu       sync.Mutex
	queue    *queue.Queue
	behind   behind
	roster   roster
	replies  []reply
	flight   []queue.Work  // taken from the queue and not sent
	seen     []uint32      // stamp of when each chunk was last begun as a whole
	sent     []passed      // what was sent of each chunk
	busy     time.Duration // when there last was work
	pace     pace
	turn     turn
	gate     gate
	began    time.Time // when the gate opened
	governor *governor // nil if the rate is fixed

	// Hold a token each when there may be something to do.
	work, answers chan struct{}
	mum           time.Time // until when no one is answered; the sender's
	answered      struct {  // in the second that began then
		from time.Time
		n    int
	}
	count serverCounters
}

// reply is a packet to one client.
type reply struct {
	to netip.AddrPort
	m  wire.Message
}

// serverCounters are counted without the lock.
type serverCounters struct {
	bytes, bad, foreign, joins, leaves, requests, unsent atomic.Uint64
}

// NewServer opens the socket. Clients are served when Run is called.
func NewServer(o ServerOptions) (*Server, error) {
	o = o.withDefaults()
	layout, err := wire.NewLayout(o.Geometry, uint64(max(o.Size, 0)))
	if err != nil {
		return nil, fmt.Errorf("serve by frisbee: %w", err)
	}
	cfg := multicast.Config{Peer: o.Peer, Interface: o.Interface, TTL: o.TTL, Size: o.Geometry.MaxPacket(), ReceiveBuffer: 4 << 20}
	if o.Plain {
		cfg.Batch, cfg.NoOffload = 1, true
	}
	conn, err := multicast.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("serve by frisbee: %w", err)
	}
	s := &Server{
		o: o, layout: layout, conn: conn, from: conn.Local().As4(), start: time.Now(),
		queue: queue.New(layout, 0), behind: behind{queue: queue.New(layout, 0)}, roster: newRoster(o.MaxClients),
		seen: make([]uint32, layout.Chunks()), sent: make([]passed, layout.Chunks()), work: make(chan struct{}, 1), answers: make(chan struct{}, 1),
		pace:     pace{block: float64(o.Geometry.BlockSize() * 8), rate: float64(o.Rate)},
		governor: newGovernor(o), gate: gate{clients: o.MinReceivers, most: o.MaxWait},
	}
	if s.governor != nil {
		s.pace.rate = s.governor.rate
	}
	if conn.Mode() == multicast.Group {
		s.group = conn.Peer().Addr().As4()
	}
	return s, nil
}

func (o ServerOptions) withDefaults() ServerOptions {
	if o.Idle == 0 {
		o.Idle = defaultIdle
	}
	if o.Keepalive <= 0 {
		o.Keepalive = defaultKeepalive
	}
	if o.MaxClients <= 0 {
		o.MaxClients = defaultClients
	}
	if o.Share <= 0 || o.Share > 1 {
		o.Share = defaultShare
	}
	if o.MaxWait <= 0 {
		o.MaxWait = defaultMaxWait
	}
	if o.MinRate <= 0 {
		o.MinRate = defaultMinRate
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Local is the address that the server sends from, and its port.
func (s *Server) Local() netip.AddrPort {
	return netip.AddrPortFrom(s.conn.Local(), s.conn.Peer().Port())
}

// Peer is where the server sends to.
func (s *Server) Peer() netip.AddrPort { return s.conn.Peer() }

// Close frees the port of a server that is not run. It ends one that is.
func (s *Server) Close() error { return s.conn.Close() }

// now is the time in the session.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// Run serves until nobody wants anything any more, which is no error, or until
// ctx is done. It closes the socket.
func (s *Server) Run(ctx context.Context) error {
	defer s.conn.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.mu.Lock()
	s.busy = s.now()
	s.mu.Unlock()
	var all sync.WaitGroup
	run := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil {
				stop(err)
			}
		})
	}
	pieces, free := make(chan *piece, readAhead), make(chan *piece, readAhead)
	for range readAhead {
		free <- s.newPiece()
	}
	run(s.listen)
	run(func(ctx context.Context) error { return s.read(ctx, free, pieces) })
	run(func(ctx context.Context) error { return s.send(ctx, pieces, free) })
	run(s.tend)
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errOver) {
		return fmt.Errorf("serve by frisbee: %w", err)
	}
	return nil
}

// errOver ends a session that is over.
var errOver = errors.New("the session is over")
