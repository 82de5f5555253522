// Package tftp serves boot files to firmware (RFC 1350, with the blksize and
// tsize options of RFC 2348 and 2349). It only reads, and only names that the
// given opener knows.
package tftp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pin/tftp/v3"
)

// Opener finds a file by the name a client asked for.
type Opener func(name string) (*os.File, error)

// Server holds the open socket.
type Server struct {
	conn *net.UDPConn
	open Opener
	log  *slog.Logger
}

// Patience with a client that does not answer: firmware gone from the network
// is given up after their product.
const (
	timeout = time.Second
	retries = 8
)

// Listen opens the socket on the head's address.
func Listen(addr netip.AddrPort, open Opener, log *slog.Logger) (*Server, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("serve tftp: %w (another TFTP server on this machine? root?)", err)
	}
	return &Server{conn: conn, open: open, log: log}, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.conn.LocalAddr() }

// Close frees the socket of a server that is not to run after all.
func (s *Server) Close() error { return s.conn.Close() }

// Serve answers until ctx ends; transfers under way are then broken off.
func (s *Server) Serve(ctx context.Context) error {
	server := tftp.NewServer(func(name string, to io.ReaderFrom) error {
		return s.read(ctx, name, to)
	}, nil)
	server.SetTimeout(timeout)
	server.SetRetries(retries)
	down := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { server.Shutdown(); close(down) })
	err := server.Serve(s.conn)
	if stop() {
		server.Shutdown()
		return fmt.Errorf("serve tftp: %w", err)
	}
	<-down
	return nil
}

func (s *Server) read(ctx context.Context, name string, to io.ReaderFrom) error {
	log := s.log.With("file", name)
	transfer, ok := to.(tftp.OutgoingTransfer)
	if ok {
		remote := transfer.RemoteAddr()
		log = log.With("node", remote.IP.String())
	}
	f, err := s.open(name)
	if err != nil {
		log.Info("tftp: refused", "reason", err)
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && ok {
		transfer.SetSize(st.Size())
	}
	began := time.Now()
	n, err := to.ReadFrom(reader{ctx, f})
	switch {
	case err == nil:
		log.Info("tftp: sent", "bytes", n, "took", time.Since(began).Round(time.Millisecond))
	case n == 0:
		// PXE ROMs ask for the size, break off, and ask again for the file.
		log.Debug("tftp: broken off at the start", "error", err)
	default:
		log.Warn("tftp: transfer failed", "bytes", n, "error", err)
	}
	return nil // the client has been told, or is gone
}

// reader ends a transfer when the server stops.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
