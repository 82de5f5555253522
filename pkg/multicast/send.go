package multicast

import (
	"context"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// patience is how often an error of the network is passed over before it
	// counts as the state of things: what ICMP left behind goes with one call.
	patience = 3
	// respite is how long to leave a full device queue alone. Such a socket
	// is writable, so there is nothing to wait for.
	respite = time.Millisecond
)

// sender is the sending half; mu keeps senders in turn.
type sender struct {
	mu    sync.Mutex
	batch batch
	// What the next system call takes, and what it gave.
	msgs  int
	took  int
	errno syscall.Errno
	once  func(fd uintptr)      // makes the call
	until func(fd uintptr) bool // makes it, and reports whether it took
}

func (s *sender) start(size, cut int) {
	s.batch = newBatch(size, cut)
	s.once = s.call
	s.until = func(fd uintptr) bool {
		s.call(fd)
		return s.errno != unix.EAGAIN
	}
}

// Send sends the packets to Peer, in order. It waits while the socket or the
// device is full, until ctx is done, and says how often it had to: a sender
// that paces itself should then slow down. Datagrams that no longer fit
// somewhere on the way are lost without a word, as UDP is. On an error some of
// the packets were sent; Temporary tells whether to go on.
func (c *Conn) Send(ctx context.Context, pkts []Packet) (overruns int, err error) {
	return c.SendTo(ctx, c.cfg.Peer, pkts)
}

// SendTo is Send to one machine, which may well belong to the group.
func (c *Conn) SendTo(ctx context.Context, to netip.AddrPort, pkts []Packet) (overruns int, err error) {
	if !to.Addr().Is4() {
		return 0, unix.EAFNOSUPPORT
	}
	s := &c.sender
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch.name = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&s.batch.name.Port))
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	for tries := 0; len(pkts) > 0 && err == nil; {
		s.msgs = s.batch.fill(pkts)
		if err = ctx.Err(); err == nil {
			err = closed(c.raw.Control(s.once))
		}
		if err == nil && s.errno == unix.EAGAIN {
			overruns++
			c.stats.overruns.Add(1)
			err = c.wait(ctx, time.Time{}, true, s.until)
		}
		if err != nil {
			break
		}
		switch errno := s.errno; {
		case errno == 0:
			tries = 0
			n := 0
			for _, count := range s.batch.counts[:s.took] {
				n += count
			}
			pkts = pkts[n:]
			c.stats.sendCalls.Add(1)
			c.stats.sent.Add(uint64(n))
		case errno == unix.EINTR, s.batch.lower(errno):
		case errno == unix.ENOBUFS:
			overruns++
			c.stats.overruns.Add(1)
			err = pause(ctx, respite)
		case passing(errno) && tries < patience:
			tries++
			c.stats.errors.Add(1)
		default:
			err = errno
		}
	}
	clear(s.batch.vecs) // lets go of the packets
	if err != nil {
		err = c.failed("send to "+to.String(), err)
	}
	return overruns, err
}

// call hands the batch to the kernel.
func (s *sender) call(fd uintptr) {
	b := &s.batch
	call, msgs, flags := uintptr(unix.SYS_SENDMMSG), uintptr(s.msgs), uintptr(unix.MSG_DONTWAIT)
	if !b.multi {
		call, msgs, flags = unix.SYS_SENDMSG, unix.MSG_DONTWAIT, 0
	}
	n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&b.msgs[0])), msgs, flags, 0, 0)
	if s.took, s.errno = int(n), errno; !b.multi {
		s.took = 1
	}
}

// lower does without what the kernel refused, and reports whether that is
// worth another try.
func (b *batch) lower(errno syscall.Errno) bool {
	switch {
	case errno == unix.ENOSYS && b.multi:
		b.multi = false
	case b.counts[0] < 2:
		return false
	case errno == unix.EIO:
		// A device without checksums in hardware, before Linux 6.11.
		b.cut = 0
	case errno == unix.EINVAL, errno == unix.EMSGSIZE, errno == unix.EOPNOTSUPP:
		b.cut = segmentOf(b.ctl) - 1
	default:
		return false
	}
	return true
}

// pause lets d pass, or less if ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
