// Package ra answers IPv6 router solicitations (RFC 4861 section 6.2) with an
// advertisement that says: no router here, no prefix, no DHCPv6.
//
// iPXE configures IPv4 and IPv6 side by side and goes on when both are through.
// On a network without an IPv6 router that is some 17 seconds after the DHCP
// lease, in every boot. The advertisement has router lifetime 0, so that no
// host takes the head for a router, and goes to the asking node alone.
package ra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// Server holds the open socket.
type Server struct {
	conn *ipv6.PacketConn
	ifi  *net.Interface
	log  *slog.Logger
}

// allRouters is the group that solicitations are sent to.
func allRouters() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv6linklocalallrouters} }

// Listen opens a raw socket for solicitations on one interface.
func Listen(name string, log *slog.Logger) (*Server, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("answer router solicitations: %w", err)
	}
	raw, err := icmp.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, fmt.Errorf("answer router solicitations: %w", err)
	}
	s := &Server{conn: raw.IPv6PacketConn(), ifi: ifi, log: log}
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterSolicitation)
	err = errors.Join(
		s.conn.SetICMPFilter(&only),
		s.conn.SetControlMessage(ipv6.FlagInterface|ipv6.FlagHopLimit, true),
		s.conn.JoinGroup(ifi, allRouters()),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("answer router solicitations on %s: %w", name, err), raw.Close())
	}
	return s, nil
}

// Close frees the socket and ends Serve.
func (s *Server) Close() error { return s.conn.Close() }

// hopLimit marks a packet that no router has forwarded.
const hopLimit = 255

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	buf := make([]byte, 2048)
	for {
		n, control, from, err := s.conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read router solicitation: %w", err)
		}
		if control == nil || control.IfIndex != s.ifi.Index || !solicits(buf[:n], control.HopLimit) {
			continue
		}
		s.answer(from)
	}
}

// solicits checks what RFC 4861 section 6.1.1 asks to be checked.
func solicits(b []byte, hops int) bool {
	const router, length = 133, 8
	return len(b) >= length && b[0] == router && b[1] == 0 && hops == hopLimit
}

// advertisement has all its times and flags zero; the kernel fills in the
// checksum.
func advertisement() []byte {
	const router, length = 134, 16
	b := make([]byte, length)
	b[0] = router
	return b
}

func (s *Server) answer(from net.Addr) {
	to, ok := from.(*net.IPAddr)
	if !ok {
		return
	}
	to = &net.IPAddr{IP: to.IP, Zone: s.ifi.Name}
	if to.IP.IsUnspecified() { // it has no address yet
		to.IP = net.IPv6linklocalallnodes
	}
	control := &ipv6.ControlMessage{HopLimit: hopLimit, IfIndex: s.ifi.Index}
	if _, err := s.conn.WriteTo(advertisement(), control, to); err != nil {
		s.log.Debug("router advertisement not sent", "to", to, "error", err)
	}
}
