package lab

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
)

// Interface is the name of every host's one interface.
const Interface = "eth0"

// Host is a machine with one interface on the switch.
type Host struct {
	Name string
	Addr netip.Addr       // of Interface, in Network
	MAC  net.HardwareAddr // of Interface

	space *space

	mu      sync.Mutex
	running map[*Process]struct{}
	usage   Usage
}

func newHost(name string, addr netip.Addr) (*Host, error) {
	s, err := newSpace()
	if err != nil {
		return nil, err
	}
	a := addr.As4()
	return &Host{Name: name, Addr: addr, MAC: net.HardwareAddr{2, 0, a[0], a[1], a[2], a[3]},
		space: s, running: make(map[*Process]struct{})}, nil
}

// Do runs f on the host: sockets that it opens belong there, and may be used
// anywhere afterwards. What f hands to other goroutines runs outside, so give
// net.Dial and the like numeric addresses.
func (h *Host) Do(f func() error) error { return h.space.do(f) }

// DialContext dials from the host, as http.Transport wants it.
func (h *Host) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// ListenMulticast joins group on the host's interface. The buffer holds
// megabytes, so that a reader on a busy machine loses nothing.
func (h *Host) ListenMulticast(group netip.AddrPort) (conn *net.UDPConn, err error) {
	err = h.Do(func() error {
		ifi, err := net.InterfaceByName(Interface)
		if err != nil {
			return err
		}
		if conn, err = net.ListenMulticastUDP("udp4", ifi, net.UDPAddrFromAddrPort(group)); err != nil {
			return err
		}
		return forceBuffer(conn, roomy)
	})
	return conn, err
}

// ListenUDP opens a socket on the host's address; port 0 is any. Multicast
// sent from it leaves by the host's interface.
func (h *Host) ListenUDP(port uint16) (conn *net.UDPConn, err error) {
	err = h.Do(func() error {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr, port)))
		if err != nil {
			return err
		}
		return forceBuffer(conn, roomy)
	})
	return conn, err
}

// link is the host's interface, for use in Do.
func link() (netlink.Link, error) { return netlink.LinkByName(Interface) }

// end kills what runs on the host and lets the namespace go.
func (h *Host) end() error {
	h.mu.Lock()
	var all []*Process
	for p := range h.running {
		all = append(all, p)
	}
	h.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
	return h.space.close()
}
