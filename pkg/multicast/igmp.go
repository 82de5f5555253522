package multicast

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Refresh says again that this machine is a member of the group. A switch that
// snoops on IGMP forgets members that it does not hear from, and where no
// router asks for them, nobody speaks up: call it about once a minute there.
// Where a router does ask it does no harm. Without the right to a raw socket
// the group is left and joined again, which may lose a few datagrams. It does
// not wait, and does nothing if Peer is not a group.
func (c *Conn) Refresh() error {
	if c.mode != Group {
		return nil
	}
	err := c.report()
	if err == unix.EPERM || err == unix.EACCES {
		cerr := closed(c.raw.Control(func(fd uintptr) {
			// Not to be a member is what an earlier failure to join left.
			if err = c.membership(int(fd), unix.IP_DROP_MEMBERSHIP); err == nil || err == unix.EADDRNOTAVAIL {
				err = c.membership(int(fd), unix.IP_ADD_MEMBERSHIP)
			}
		}))
		if cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		return c.failed("refresh membership", err)
	}
	return nil
}

func (c *Conn) membership(fd, opt int) error {
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, opt, c.mreq(c.cfg.Peer.Addr().As4()))
}

func (c *Conn) mreq(group [4]byte) *unix.IPMreqn {
	return &unix.IPMreqn{Multiaddr: group, Address: c.where.addr, Ifindex: int32(c.where.index)}
}

// report sends an IGMP report.
func (c *Conn) report() error {
	// IPPROTO_RAW takes packets with their header, and receives none.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, c.mreq([4]byte{})); err != nil {
		return err
	}
	// Or the kernel would think that another member has spoken.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0); err != nil {
		return err
	}
	group := c.cfg.Peer.Addr().As4()
	return unix.Sendto(fd, membershipReport(c.where.addr, group), 0, &unix.SockaddrInet4{Addr: group})
}

// membershipReport is one of IGMPv2 (RFC 2236, section 2) in its IPv4 packet.
// The kernel fills in the header's checksum and identification.
func membershipReport(from, group [4]byte) []byte {
	p := []byte("\x46\xc0\x00\x20" + // six words of header, internetwork control, 32 bytes
		"\x00\x00\x40\x00" + // not to be fragmented
		"\x01\x02\x00\x00" + // stays on this network; IGMP
		"from" + "to  " +
		"\x94\x04\x00\x00" + // router alert
		"\x16\x00\x00\x00" + // version 2 membership report
		"of  ")
	copy(p[12:], from[:])
	copy(p[16:], group[:])
	copy(p[28:], group[:])
	binary.BigEndian.PutUint16(p[26:], checksum(p[24:]))
	return p
}

// checksum is the one of RFC 1071 over an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 + uint32(b[1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
