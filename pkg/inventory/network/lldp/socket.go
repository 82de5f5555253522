package lldp

import (
	"encoding/binary"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a packet socket that gets LLDP and CDP from all interfaces, without
// their Ethernet headers.
type socket struct {
	*os.File
	raw syscall.RawConn
	buf []byte
}

// open makes the socket for all protocols and filters: one for LLDP's alone
// would hear nothing on ports of an Open vSwitch, which takes frames before.
// It is bound when the filter is there, so that nothing else gets in.
func open() (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	program := filter()
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err == nil {
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // since Linux 4.20; it saves a copy of all that is sent
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "lldp")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &socket{f, raw, make([]byte, 9216)}, nil
}

// filter passes frames of LLDP's type, and of CDP behind LLC and SNAP headers.
func filter() []unix.SockFilter {
	const (
		load     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		give     = unix.BPF_RET | unix.BPF_K
		protocol = 0xfffff000 // SKF_AD_OFF + SKF_AD_PROTOCOL
		all      = 1 << 16
	)
	return []unix.SockFilter{
		{Code: load, K: protocol},
		{Code: equal, K: unix.ETH_P_LLDP, Jt: 5},
		{Code: equal, K: unix.ETH_P_802_2, Jf: 5},
		{Code: load, K: 0},
		{Code: equal, K: snapCDP >> 32, Jf: 3},
		{Code: load, K: 4},
		{Code: equal, K: snapCDP & 0xffffffff, Jf: 1},
		{Code: give, K: all},
		{Code: give, K: 0},
	}
}

// snapCDP is the header of CDP: LLC AA AA 03, then SNAP with Cisco's 00000C and
// protocol 2000.
const snapCDP = 0xaaaa0300_000c2000

// groups are the addresses such frames are sent to: the nearest bridge, the
// nearest one that is no two-port relay, the nearest customer bridge, CDP's.
func groups() [4][8]byte {
	return [...][8]byte{
		{0x01, 0x80, 0xc2, 0, 0, 0x0e}, {0x01, 0x80, 0xc2, 0, 0, 0x03}, {0x01, 0x80, 0xc2, 0, 0, 0x00},
		{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc},
	}
}

// join has the interface receive what is for groups.
func (s *socket) join(p Port) error {
	return s.control(func(fd int) error {
		for _, g := range groups() {
			err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(p.Index), Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: g})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// say sends hello out of a port.
func (s *socket) say(p Port, hello PDU, chassis [6]byte) error {
	if hello.Chassis.Value == "" {
		hello.Chassis = ChassisID{ChassisMAC, string(chassis[:])}
	}
	if hello.Port.Value == "" {
		hello.Port, hello.PortDescription = PortID{PortMAC, string(p.MAC[:])}, p.Name
	}
	to := &unix.SockaddrLinklayer{Ifindex: p.Index, Protocol: network(unix.ETH_P_LLDP), Halen: 6, Addr: groups()[0]}
	return s.control(func(fd int) error { return unix.Sendto(fd, hello.Append(nil), 0, to) })
}

func (s *socket) control(do func(fd int) error) (err error) {
	if e := s.raw.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
		return e
	}
	return err
}

// next is the next good PDU, and where it came in.
func (s *socket) next() (index int, p PDU, err error) {
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		if err := s.raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), s.buf, unix.MSG_TRUNC)
			return failed != unix.EAGAIN && failed != unix.EINTR
		}); err != nil {
			return 0, PDU{}, err
		}
		if failed == unix.ENETDOWN { // an interface went down: the others are still there
			continue
		}
		if failed != nil {
			return 0, PDU{}, failed
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || n > len(s.buf) || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if b := s.buf[:n]; link.Protocol == network(unix.ETH_P_LLDP) {
			p, err = Parse(b)
		} else if n > 8 {
			p, err = ParseCDP(b[8:])
		}
		if err == nil && p.Chassis.Value != "" {
			return link.Ifindex, p, nil
		}
	}
}

// network turns a number into network byte order.
func network(n uint16) uint16 { return binary.NativeEndian.Uint16([]byte{byte(n >> 8), byte(n)}) }
