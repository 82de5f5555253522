package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"golang.org/x/net/ipv4"
)

// Server holds the open sockets.
type Server struct {
	responder *responder
	ifindex   int
	conns     map[int]*ipv4.PacketConn // by port
	log       *slog.Logger
}

// Listen opens the sockets, bound to the interface, and reads the leases.
func Listen(c Config, log *slog.Logger) (*Server, error) {
	ifi, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return nil, fmt.Errorf("serve dhcp on %s: %w", c.Interface, err)
	}
	s := &Server{ifindex: ifi.Index, conns: map[int]*ipv4.PacketConn{}, log: log,
		responder: &responder{Config: c, log: log}}
	ports := []int{serverPort}
	if c.Proxy {
		ports = append(ports, binlPort)
	} else if s.responder.leases, err = OpenLeases(c.LeaseFile, c.Reservations, c.Address); err != nil {
		return nil, err
	}
	for _, port := range ports {
		conn, err := server4.NewIPv4UDPConn(c.Interface, &net.UDPAddr{Port: port})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("serve dhcp on %s: %w (another DHCP server on this machine? root?)", c.Interface, err), s.Close())
		}
		s.conns[port] = ipv4.NewPacketConn(conn)
	}
	return s, nil
}

// Close frees the sockets and ends Serve.
func (s *Server) Close() error {
	var errs []error
	for _, c := range s.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

type request struct {
	message *dhcpv4.DHCPv4
	from    *net.UDPAddr
	port    int
}

// Serve answers until ctx ends. One goroutine per socket reads, and this one
// decides and writes, so that leases need no lock.
func (s *Server) Serve(ctx context.Context) error {
	requests := make(chan request, 64)
	ended := make(chan error, len(s.conns))
	for port, conn := range s.conns {
		go func() { ended <- s.read(conn, port, requests) }()
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	for running := len(s.conns); running > 0; {
		select {
		case q := <-requests:
			s.answer(q)
		case err := <-ended:
			running--
			if ctx.Err() == nil {
				s.Close()
				drain(requests, ended, running)
				return fmt.Errorf("read dhcp request: %w", err)
			}
		}
	}
	return nil
}

// drain lets readers that are about to hand over a request finish.
func drain(requests <-chan request, ended <-chan error, running int) {
	for running > 0 {
		select {
		case <-requests:
		case <-ended:
			running--
		}
	}
}

func (s *Server) read(conn *ipv4.PacketConn, port int, requests chan<- request) error {
	buf := make([]byte, 64<<10)
	for {
		n, _, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		sender, ok := from.(*net.UDPAddr)
		m, err := decode(buf[:n])
		if err != nil || !ok {
			s.log.Debug("dhcp: packet ignored", "from", from, "bytes", n, "error", err)
			continue
		}
		requests <- request{m, sender, port}
	}
}

// decode reads a packet. A panic in the decoder is an error of that packet:
// anyone on the network can send one.
func decode(b []byte) (m *dhcpv4.DHCPv4, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("decode dhcp packet: %v", p)
		}
	}()
	return dhcpv4.FromBytes(b)
}

func (s *Server) answer(q request) {
	reply := s.responder.reply(q.message, q.port, time.Now())
	if reply == nil {
		return
	}
	to := destination(q.message, reply, q.from, q.port)
	control := &ipv4.ControlMessage{Src: s.responder.Address.AsSlice(), IfIndex: s.ifindex}
	if _, err := s.conns[q.port].WriteTo(reply.ToBytes(), control, to); err != nil {
		s.log.Warn("dhcp: reply not sent", "mac", q.message.ClientHWAddr.String(), "to", to, "error", err)
	}
}
