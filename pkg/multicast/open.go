package multicast

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open binds the port, joins the group if Peer is one, and is then ready to
// send and to receive.
func Open(cfg Config) (*Conn, error) {
	defaults(&cfg.TTL, 5)
	defaults(&cfg.ReceiveBuffer, 1<<20)
	defaults(&cfg.Size, 2048)
	defaults(&cfg.Batch, 64)
	c := &Conn{cfg: cfg}
	if err := c.open(); err != nil {
		if c.file != nil {
			c.file.Close()
		}
		return nil, fmt.Errorf("open socket for %s: %w", cfg.Peer.String(), err)
	}
	return c, nil
}

func defaults(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func (c *Conn) open() error {
	cfg := &c.cfg
	port := int(cfg.Peer.Port())
	if !cfg.Peer.Addr().Is4() || port == 0 || cfg.TTL&^255 != 0 || cfg.Size&^0xffff != 0 || cfg.Batch < 0 || cfg.Batch > maxBatch {
		return unix.EINVAL
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return err
	}
	// Non-blocking, so that the file waits by the runtime's poller: for
	// packets that come in bursts it takes no more of the CPU than a poll of
	// one's own, and no thread.
	c.file = os.NewFile(uintptr(fd), "udp")
	if c.raw, err = c.file.SyscallConn(); err != nil {
		return err
	}
	if c.where, err = locate(fd, cfg.Interface); err != nil {
		return err
	}
	to, mode, ok := c.where.resolve(cfg.Peer.Addr().As4())
	if !ok {
		return errors.New("the subnet has no broadcast address")
	}
	cfg.Peer, c.mode = netip.AddrPortFrom(netip.AddrFrom4(to), uint16(port)), mode
	if err := c.options(fd); err != nil {
		return err
	}
	c.offloads(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		return fmt.Errorf("bind port %d: %w", port, err)
	}
	if mode == Group {
		return c.membership(fd, unix.IP_ADD_MEMBERSHIP)
	}
	return nil
}

// options sets all that must hold before the first datagram is received.
func (c *Conn) options(fd int) (err error) {
	set := func(level, opt, value int) error {
		serr := unix.SetsockoptInt(fd, level, opt, value)
		if serr != nil && err == nil {
			err = fmt.Errorf("set socket option %d of level %d: %w", opt, level, serr)
		}
		return serr
	}
	set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	set(unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0) // other sockets' groups stay out
	set(unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, c.cfg.TTL)
	set(unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, number(c.cfg.Loop))
	// Blocks longer than the MTU go in fragments, no router is told not to
	// fragment, and no forged ICMP makes the fragments tiny.
	set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
	set(unix.SOL_SOCKET, unix.SO_BROADCAST, number(c.mode == Broadcast))
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, number(c.cfg.Reuse))
	if err == nil && c.mode == Broadcast && !c.cfg.Loop {
		err = c.ignoreEcho(fd)
	}
	if err == nil {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, c.mreq([4]byte{}))
	}
	if err != nil {
		return err
	}
	if err := unix.BindToDevice(fd, c.cfg.Interface); err == unix.EPERM {
		c.picky = true // before Linux 5.7 only root may
	} else if err != nil {
		return fmt.Errorf("bind to %s: %w", c.cfg.Interface, err)
	}
	// As much buffer as there is: beyond the system's limit with
	// CAP_NET_ADMIN, else up to it.
	if set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, c.cfg.ReceiveBuffer) != nil {
		set(unix.SOL_SOCKET, unix.SO_RCVBUF, c.cfg.ReceiveBuffer)
	}
	if n := c.cfg.SendBuffer; n > 0 && set(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n) != nil {
		set(unix.SOL_SOCKET, unix.SO_SNDBUF, n)
	}
	return nil
}

// offloads turns on what the kernel has of cutting up and joining datagrams.
func (c *Conn) offloads(fd int) {
	cut, join := 0, false
	if !c.cfg.NoOffload {
		if unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0) == nil {
			cut = c.where.mtu - 28 // what is cut must not need fragments
		}
		join = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	}
	c.sender.start(c.cfg.Batch, cut)
	c.receiver.start(c.cfg.Batch, c.cfg.Size, join)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// memory is what the kernel says of a socket's buffers (SK_MEMINFO_VARS of
// linux/sock_diag.h): among them the receive and send buffer in bytes, and the
// datagrams dropped. That count is there without a datagram to carry it,
// unlike the one of SO_RXQ_OVFL.
func (c *Conn) memory() (info [9]uint32) {
	c.raw.Control(func(fd uintptr) {
		size := uint32(unsafe.Sizeof(info))
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return info
}
