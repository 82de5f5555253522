package room

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// Serve is a server of frisbee. It tells its frisbee.ServerStats.
type Serve struct {
	File          string
	Peer          netip.AddrPort
	Rate, MaxRate int64   // bit/s; 0 adapts, and to what the interface can
	Share         float64 // 0 is the default
	Keepalive     time.Duration
	MaxClients    int
	MinReceivers  int
	Plain         bool
}

func (*Serve) name() string { return "serve" }

func (r *Serve) run(ctx context.Context, s *stage) (any, error) {
	f, err := os.Open(r.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	server, err := frisbee.NewServer(frisbee.ServerOptions{
		File: f, Size: info.Size(), Peer: r.Peer, Interface: lab.Interface, Rate: r.Rate, MaxRate: r.MaxRate,
		Share: r.Share, Keepalive: r.Keepalive, MaxClients: r.MaxClients, MinReceivers: r.MinReceivers, Plain: r.Plain, Log: s.log,
		Event: func(e frisbee.Event) { s.log.Debug("event", "event", slog.AnyValue(e)) },
	})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if err := s.ready(); err != nil {
		return nil, err
	}
	err = server.Run(ctx)
	if ctx.Err() != nil {
		err = nil // it was told to end
	}
	return server.Stats(), err
}
