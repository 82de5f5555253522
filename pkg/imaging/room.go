package imaging

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// Room is a multicast session that sends an image to many nodes at once. The
// URL of the image gives its index, what does not arrive, and all of it where no
// multicast does.
type Room struct {
	Peer      netip.AddrPort // the group, the broadcast address or the server, and the port of all
	Interface string         // to join on; "": the one that leads to the server
	Server    netip.Addr     // the only one to take data from; not valid: the first that answers
	Block     int            // bytes of a block: 0 or 1024, or 8192 on a network with jumbo frames

	// open is for tests, whose sockets are in another network namespace; nil is
	// frisbee.NewClient.
	open func(frisbee.ClientOptions) (*frisbee.Client, error)
}

// ParseRoom reads ADDRESS:PORT or ADDRESS:PORT%INTERFACE, the address an IPv4
// one: of a group, of all of a network, or of a server.
func ParseRoom(s string) (*Room, error) {
	peer, iface, _ := strings.Cut(s, "%")
	addr, err := netip.ParseAddrPort(peer)
	if err == nil && (!addr.Addr().Is4() || addr.Port() == 0) {
		err = errors.New("the address is not IPv4, or the port is 0")
	}
	if err != nil || strings.HasSuffix(s, "%") {
		return nil, fmt.Errorf("%q is no multicast session: want ADDRESS:PORT, as in 239.192.1.1:7000, or 239.192.1.1:7000%%eth0 (%v)", s, err)
	}
	return &Room{Peer: addr, Interface: iface}, nil
}

// check looks at what could not be received.
func (r *Room) check() error {
	if !r.Peer.Addr().Is4() || r.Peer.Port() == 0 {
		return fmt.Errorf("multicast session %s: want an IPv4 address and a port", r.Peer.String())
	}
	if r.Block != 0 && r.Block != wire.Standard.BlockSize() && r.Block != wire.Jumbo.BlockSize() {
		return fmt.Errorf("multicast session %s: blocks of %d bytes: want %d or %d", r.Peer.String(), r.Block, wire.Standard.BlockSize(), wire.Jumbo.BlockSize())
	}
	return nil
}

// web tells a URL that is read by HTTP.
func web(source string) bool {
	source = strings.ToLower(source)
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

func (r *Room) geometry() wire.Geometry {
	if r.Block == wire.Jumbo.BlockSize() {
		return wire.Jumbo
	}
	return wire.Standard
}

// join opens the socket of a client. from is a URL or a host that is on the same
// network as the session, or "".
func (r *Room) join(ctx context.Context, o frisbee.ClientOptions, from string) (*frisbee.Client, error) {
	o.Peer, o.Interface, o.Server, o.Geometry = r.Peer, r.Interface, r.Server, r.geometry()
	if r.open != nil {
		return r.open(o)
	}
	if o.Interface == "" {
		var err error
		if o.Interface, err = r.find(ctx, from); err != nil {
			return nil, err
		}
	}
	return frisbee.NewClient(o)
}

// find is the interface to join on. What is sent to a group would leave by the
// default route, but a machine with several networks must listen on that of the
// server.
func (r *Room) find(ctx context.Context, from string) (string, error) {
	peer := r.Peer.Addr()
	if from == "" || !peer.IsMulticast() && peer != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return multicast.Route(peer)
	}
	if u, err := url.Parse(from); err == nil && u.Hostname() != "" {
		from = u.Hostname()
	}
	// A look-up like that of the transfer, and a socket that nothing is sent on.
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", net.JoinHostPort(from, "9"))
	if err != nil {
		return "", fmt.Errorf("find the interface for multicast from %s: %w (name it: %s%%INTERFACE)", from, err, r.Peer.String())
	}
	defer conn.Close()
	return multicast.Route(conn.RemoteAddr().(*net.UDPAddr).AddrPort().Addr().Unmap())
}
