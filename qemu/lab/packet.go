package lab

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vnetHeader is the length of struct virtio_net_hdr, which goes before each
// frame and says which checksum is still to be made: between interfaces of one
// machine the kernel makes none, and a relay must not make the frame look
// finished.
const vnetHeader = 10

// batch is how many frames one system call moves.
const batch = 64

// packets is a packet socket on one interface.
type packets struct {
	fd      int
	rx, tx  [batch]mmsghdr
	iov     [batch]unix.Iovec // of rx
	out     [batch]unix.Iovec // of tx
	overrun uint64            // frames that found the socket's buffer full
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	n      uint32
}

// openPackets opens a socket on an interface of this thread's namespace, to
// send, or to hear all that the interface receives.
func openPackets(index int, hear bool) (*packets, error) {
	protocol := uint16(0) // hears nothing
	if hear {
		protocol = swap(unix.ETH_P_ALL)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	// The far end of the pair is a queue already: no need for another.
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, roomy),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index}))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	p := &packets{fd: fd}
	for i := range batch {
		p.rx[i].header.Iov, p.tx[i].header.Iov = &p.iov[i], &p.out[i]
		p.rx[i].header.SetIovlen(1)
		p.tx[i].header.SetIovlen(1)
	}
	return p, nil
}

// swap gives the network order of a little-endian number, which every machine
// that the lab runs on has.
func swap(v uint16) uint16 { return v<<8 | v>>8 }

func (p *packets) close() error { return unix.Close(p.fd) }

// receive fills frames as far as there is something to read, without waiting.
func (p *packets) receive(frames []*frame) (int, error) {
	for i, f := range frames {
		p.iov[i].Base = &f.b[0]
		p.iov[i].SetLen(len(f.b))
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.rx)), uintptr(len(frames)), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
	case unix.EAGAIN, unix.EINTR, unix.ENETDOWN: // the last is told once, when a cable is pulled
		return 0, nil
	default:
		return 0, os.NewSyscallError("recvmmsg", errno)
	}
	for i := range int(n) {
		frames[i].n = int(p.rx[i].n)
	}
	return int(n), nil
}

// send sends frames and counts those that the interface refused.
func (p *packets) send(frames []*frame) (refused uint64, err error) {
	for len(frames) > 0 {
		part := frames[:min(len(frames), batch)]
		for i, f := range part {
			p.out[i].Base = &f.b[0]
			p.out[i].SetLen(f.n)
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.tx)), uintptr(len(part)), 0, 0, 0)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.ENETDOWN, unix.ENXIO, unix.ENOBUFS: // the cable is out, or the far end is busy
			n = 1
			refused++
		default:
			return refused, os.NewSyscallError("sendmmsg", errno)
		}
		frames = frames[n:]
	}
	return refused, nil
}

// lost counts frames that came faster than they were read.
func (p *packets) lost() (uint64, error) {
	s, err := unix.GetsockoptTpacketStats(p.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return p.overrun, os.NewSyscallError("getsockopt", err)
	}
	p.overrun += uint64(s.Drops) // the kernel forgets what it has told
	return p.overrun, nil
}

// waitReadable waits until either descriptor can be read or the time is over;
// a negative time is forever.
func waitReadable(fd, wake int, d time.Duration) (woken bool, err error) {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	var timeout *unix.Timespec
	if d >= 0 {
		t := unix.NsecToTimespec(int64(d))
		timeout = &t
	}
	_, err = unix.Ppoll(fds[:], timeout, nil)
	if err == unix.EINTR {
		err = nil
	}
	return fds[1].Revents != 0, err
}
