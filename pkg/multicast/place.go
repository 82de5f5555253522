package multicast

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// place is where on this machine a socket is.
type place struct {
	index      int // of the interface
	mtu        int
	addr, mask [4]byte
}

// locate looks up an interface in the network namespace of a socket.
func locate(fd int, name string) (p place, err error) {
	req, err := unix.NewIfreq(name)
	for _, what := range [...]uint{unix.SIOCGIFINDEX, unix.SIOCGIFMTU, unix.SIOCGIFADDR, unix.SIOCGIFNETMASK} {
		if err == nil {
			err = unix.IoctlIfreq(fd, what, req)
		}
		if err != nil {
			return p, fmt.Errorf("look up IPv4 on interface %s: %w", name, err)
		}
		switch what {
		case unix.SIOCGIFINDEX:
			p.index = int(req.Uint32())
		case unix.SIOCGIFMTU:
			p.mtu = int(req.Uint32())
		case unix.SIOCGIFADDR:
			err = inet4(req, &p.addr)
		default:
			err = inet4(req, &p.mask)
		}
	}
	return p, err
}

func inet4(req *unix.Ifreq, to *[4]byte) error {
	addr, err := req.Inet4Addr()
	copy(to[:], addr)
	return err
}

var limited = [4]byte{255, 255, 255, 255}

// resolve says what kind of address peer is here, and the one to send to.
// Subnets of one or two addresses have no broadcast address (RFC 3021).
func (p *place) resolve(peer [4]byte) ([4]byte, Mode, bool) {
	var all [4]byte
	for i := range all {
		all[i] = p.addr[i] | ^p.mask[i]
	}
	has := p.mask[3] < 254
	switch {
	case peer[0]>>4 == 14:
		return peer, Group, true
	case has && (peer == all || peer == limited):
		return all, Broadcast, true
	}
	return peer, Unicast, peer != limited
}

// Route names the interface that the routes choose to reach peer. Nothing is
// sent.
func Route(peer netip.Addr) (string, error) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return "", fmt.Errorf("find the interface for %s: %w", peer.String(), err)
	}
	defer conn.Close()
	local := conn.LocalAddr().(*net.UDPAddr).IP
	ifaces, err := net.Interfaces()
	for _, i := range ifaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(local) {
				return i.Name, nil
			}
		}
	}
	if err != nil {
		return "", fmt.Errorf("list interfaces: %w", err)
	}
	return "", fmt.Errorf("no interface has the address %s", local)
}
