package multicast

import (
	"context"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// joinedSize holds the longest run of datagrams that the kernel joins; a
// shorter buffer would lose the end of it. joinedBatch bounds the memory.
const (
	joinedSize  = 1 << 16
	joinedBatch = 32
)

// Datagram is one that was received.
type Datagram struct {
	Data []byte // until the next call of Receive
	From netip.AddrPort
	To   netip.Addr // the group, a broadcast address or an own one
	// Truncated says that it was longer than Config.Size and that the end of
	// it is gone.
	Truncated bool
}

// receiver is the receiving half.
type receiver struct {
	msgs  []unix.Mmsghdr
	slots []slot
	buf   []byte
	size  int // of each buffer in buf
	out   []Datagram
	multi bool // there is recvmmsg
	// What the last system call gave.
	took  int
	errno syscall.Errno
	once  func(fd uintptr)
	until func(fd uintptr) bool
}

// slot is what goes with a message.
type slot struct {
	vec  unix.Iovec
	name unix.RawSockaddrInet4
	ctl  [receiveControl]byte
}

func (r *receiver) start(n, size int, joined bool) {
	r.multi = n > 1
	if joined {
		n, size = min(n, joinedBatch), joinedSize
	}
	r.size = size
	r.msgs, r.slots, r.buf = make([]unix.Mmsghdr, n), make([]slot, n), make([]byte, n*size)
	for i := range r.slots {
		s, h := &r.slots[i], &r.msgs[i].Hdr
		vector(&s.vec, r.buf[i*size:][:size])
		h.Name = (*byte)(unsafe.Pointer(&s.name))
		h.Iov = &s.vec
		h.SetIovlen(1)
		h.Control = &s.ctl[0]
	}
	r.once = r.call
	r.until = func(fd uintptr) bool {
		r.call(fd)
		return r.errno != unix.EAGAIN
	}
}

// Receive waits for datagrams and gives all that are there, up to a bound. It
// waits until the deadline (for ever if that is zero) and then gives
// os.ErrDeadlineExceeded, or until ctx is done. What was sent to another group
// or came by another interface is left out.
func (c *Conn) Receive(ctx context.Context, until time.Time) ([]Datagram, error) {
	r := &c.receiver
	for tries := 0; ; {
		err := ctx.Err()
		if err == nil {
			err = closed(c.raw.Control(r.once))
		}
		if err == nil && r.errno == unix.EAGAIN {
			err = c.wait(ctx, until, false, r.until)
		}
		if err != nil {
			return nil, err
		}
		switch errno := r.errno; {
		case errno == 0:
			c.stats.recvCalls.Add(1)
			if c.collect(); len(r.out) > 0 {
				return r.out, nil
			}
			// A flood of strangers does not keep the caller from its timers.
			if past(until) {
				return nil, os.ErrDeadlineExceeded
			}
		case errno == unix.EINTR:
		case errno == unix.ENOSYS && r.multi:
			r.multi = false
		case passing(errno) && tries < patience:
			tries++
			c.stats.errors.Add(1)
		default:
			return nil, c.failed("receive", errno)
		}
	}
}

// call takes what the kernel has.
func (r *receiver) call(fd uintptr) {
	for i := range r.msgs {
		h := &r.msgs[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet4
		h.SetControllen(receiveControl)
	}
	call, msgs, flags := uintptr(unix.SYS_RECVMMSG), uintptr(len(r.msgs)), uintptr(unix.MSG_DONTWAIT)
	if !r.multi {
		call, msgs, flags = unix.SYS_RECVMSG, unix.MSG_DONTWAIT, 0
	}
	n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&r.msgs[0])), msgs, flags, 0, 0)
	if r.took, r.errno = int(n), errno; !r.multi {
		r.took, r.msgs[0].Len = 1, uint32(n)
	}
}

// collect cuts what was received into datagrams.
func (c *Conn) collect() {
	r := &c.receiver
	r.out = r.out[:0]
	for i := range r.msgs[:r.took] {
		m, s := &r.msgs[i], &r.slots[i]
		about := parse(s.ctl[:min(int(m.Hdr.Controllen), receiveControl)])
		if !c.wanted(&about) {
			c.stats.foreign.Add(1)
			continue
		}
		port := (*[2]byte)(unsafe.Pointer(&s.name.Port))
		d := Datagram{
			From: netip.AddrPortFrom(netip.AddrFrom4(s.name.Addr), uint16(port[0])<<8|uint16(port[1])),
			To:   netip.AddrFrom4(about.to),
		}
		data := r.buf[i*r.size:][:min(int(m.Len), r.size)]
		for more := true; more; {
			d.Data, more = data, about.segment > 0 && len(data) > about.segment
			if more {
				d.Data, data = data[:about.segment], data[about.segment:]
			}
			d.Truncated = !more && m.Hdr.Flags&unix.MSG_TRUNC != 0
			if len(d.Data) > c.cfg.Size {
				d.Data, d.Truncated = d.Data[:c.cfg.Size], true
			}
			if d.Truncated {
				c.stats.truncated.Add(1)
			}
			r.out = append(r.out, d)
		}
	}
	c.stats.received.Add(uint64(len(r.out)))
}

// wanted tells what was sent to this socket's peers from what only has the
// same port.
func (c *Conn) wanted(a *ancillary) bool {
	switch {
	case a.index == 0, c.picky && a.index != c.where.index:
		return false
	case a.unicast:
		return true
	case c.mode == Group:
		return a.to == c.cfg.Peer.Addr().As4()
	}
	return c.mode == Broadcast && a.to[0]>>4 != 14
}
