package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Handler answers requests. A refusal is a wire.Code; any other error is logged,
// and the client is told to try again. Calls come from several goroutines.
type Handler interface {
	// Get says where an image is served to m.Host, which is the caller's address
	// if the request names no other. Unless m.Status is set it sees to it that
	// somebody does serve it.
	Get(ctx context.Context, caller netip.Addr, m wire.Get) (wire.GetReply, error)
	// Put says what becomes of an image that m.Host uploads. If m.Status is set
	// nothing is uploaded, and Create is not called.
	Put(ctx context.Context, caller netip.Addr, m wire.Put) (Upload, error)
}

// Server serves a Handler. Handler must be set.
type Server struct {
	Handler Handler

	Conns   int           // requests at a time; 0 is 64
	Uploads int           // at a time; 0 is 8
	Timeout time.Duration // for a request to arrive and be answered; 0 is 30 s
	// Stall is how long an upload may bring nothing, and how long it may take to
	// begin; 0 is a minute. Longest is how long it may take; 0 is 6 hours.
	Stall, Longest time.Duration

	Log *slog.Logger // nil is silent
}

// Serve answers on a listener until ctx is done, and ends all that it began. It
// closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := running{
		Server: s, ctx: ctx, log: s.Log,
		conns: make(chan struct{}, cmp.Or(s.Conns, 64)), uploads: make(chan struct{}, cmp.Or(s.Uploads, 8)),
		timeout: cmp.Or(s.Timeout, 30*time.Second), stall: cmp.Or(s.Stall, time.Minute), longest: cmp.Or(s.Longest, 6*time.Hour),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	defer r.all.Wait()
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		select {
		case r.conns <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return context.Cause(ctx)
		}
		if err != nil {
			<-r.conns
			var temporary interface{ Temporary() bool }
			if !errors.As(err, &temporary) || !temporary.Temporary() {
				l.Close()
				return fmt.Errorf("accept requests to the master server: %w", err)
			}
			// Out of descriptors: those in use end.
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		r.all.Go(func() {
			defer func() { <-r.conns }()
			r.serve(conn)
		})
	}
}

// wait lets d pass, or less if ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// running is a server that serves.
type running struct {
	*Server
	ctx                     context.Context
	log                     *slog.Logger
	conns, uploads          chan struct{} // hold a token for each that goes on
	timeout, stall, longest time.Duration
	all                     sync.WaitGroup
}

// serve answers one request.
func (r *running) serve(conn net.Conn) {
	defer conn.Close()
	ctx, stop := context.WithTimeout(r.ctx, r.timeout)
	defer stop()
	conn.SetDeadline(time.Now().Add(r.timeout))
	defer context.AfterFunc(r.ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	caller, local := addrOf(conn.RemoteAddr()), addrOf(conn.LocalAddr())
	if !caller.Is4() || !local.Is4() {
		return // the messages have no room for other addresses
	}
	m, err := wire.ReadRequest(conn)
	if err != nil {
		r.log.Debug("bad request to the master server", "from", caller, "err", err)
		return
	}
	var reply []byte
	switch m := m.(type) {
	case wire.Get:
		reply = r.get(ctx, caller, m).Append(nil)
	case wire.Put:
		reply = r.put(ctx, caller, local, m).Append(nil)
	}
	conn.SetWriteDeadline(time.Now().Add(r.timeout)) // to find out may have taken all of it
	if _, err := conn.Write(reply); err != nil {
		r.log.Debug("cannot answer", "from", caller, "err", err)
	}
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// host is the address in a request, or the caller's if there is none.
func host(named [4]byte, caller netip.Addr) [4]byte {
	if named == [4]byte{} {
		return caller.As4()
	}
	return named
}

func (r *running) get(ctx context.Context, caller netip.Addr, m wire.Get) wire.GetReply {
	m.Host = host(m.Host, caller)
	reply, err := r.Handler.Get(ctx, caller, m)
	if err != nil {
		return wire.GetReply{Code: r.code(err, "get", m.ID, caller)}
	}
	return reply
}

// code is what a client is told of an error.
func (r *running) code(err error, what, id string, caller netip.Addr) wire.Code {
	var c wire.Code
	if !errors.As(err, &c) || c == 0 {
		c = wire.CodeBusy
		r.log.Warn("cannot "+what+" an image", "image", id, "for", caller, "err", err)
	}
	return c
}
