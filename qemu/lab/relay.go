package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// relay moves frames between a bridge port of its own and a node.
type relay struct {
	down, up *lane
}

// lane is one direction of a relay, and its goroutine.
type lane struct {
	in, out *packets
	wake    int // event descriptor that ends it
	start   time.Time
	ended   chan struct{}
	err     error // after ended

	mu      sync.Mutex
	line    *line
	refused uint64
}

// The relay of node n1 has a cable of its own to the switch, from n1r to the
// port n1p.
func relayEnd(node string) string  { return node + "r" }
func relayPort(node string) string { return node + "p" }

// newRelay cuts the node's cable, of which the fabric has the end named name,
// and puts itself between. It runs in the fabric.
func (l *Lab) newRelay(name string, seed uint64, index int) (r *relay, err error) {
	node, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetNoMaster(node); err != nil {
		return nil, err
	}
	inner, outer := relayEnd(name), relayPort(name)
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: inner, MTU: l.options.MTU}, PeerName: outer, PeerMTU: uint32(l.options.MTU)}
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(pair); err != nil {
		return nil, err
	}
	if err := l.addPort(outer); err != nil {
		return nil, err
	}
	ends := make([]*packets, 4) // of down: in and out; of up: in and out
	defer func() {
		if err != nil {
			for _, p := range ends {
				if p != nil {
					p.close()
				}
			}
		}
	}()
	for i, link := range []netlink.Link{pair, node, node, pair} {
		if ends[i], err = openPackets(link.Attrs().Index, i%2 == 0); err != nil {
			return nil, err
		}
	}
	size := vnetHeader + 18 + l.options.MTU // with a VLAN tag
	r = &relay{}
	if r.down, err = startLane(ends[0], ends[1], newLine(seed, uint64(index)<<1, size)); err != nil {
		return nil, err
	}
	ends[0], ends[1] = nil, nil // the lane's to close
	if r.up, err = startLane(ends[2], ends[3], newLine(seed, uint64(index)<<1|1, size)); err != nil {
		return nil, errors.Join(err, r.down.stop())
	}
	return r, nil
}

func (r *relay) stop() error { return errors.Join(r.down.stop(), r.up.stop()) }

func startLane(in, out *packets, line *line) (*lane, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &lane{in: in, out: out, wake: wake, start: time.Now(), ended: make(chan struct{}), line: line}
	go func() {
		defer close(l.ended)
		if l.err = l.run(); l.err != nil {
			l.err = fmt.Errorf("relay frames: %w", l.err)
		}
	}()
	return l, nil
}

func (l *lane) stop() error {
	_, err := unix.Write(l.wake, []byte{7: 1})
	<-l.ended
	return errors.Join(err, l.err, l.in.close(), l.out.close(), unix.Close(l.wake))
}

func (l *lane) run() error {
	frames := make([]*frame, batch)
	for i := range frames {
		frames[i] = l.line.newFrame()
	}
	wait := time.Duration(-1)
	for {
		woken, err := waitReadable(l.in.fd, l.wake, wait)
		if woken || err != nil {
			return err
		}
		n, err := l.in.receive(frames)
		if err != nil {
			return err
		}
		if wait, err = l.turn(frames[:n]); err != nil {
			return err
		}
	}
}

// turn decides about frames, replaces them and sends what is due.
func (l *lane) turn(frames []*frame) (wait time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	for i, f := range frames {
		l.line.put(f, now)
		frames[i] = l.line.newFrame()
	}
	out := l.line.take(now)
	refused, err := l.out.send(out)
	l.refused += refused
	for _, f := range out {
		l.line.recycle(f)
	}
	at, ok := l.line.next()
	if !ok {
		return -1, err
	}
	return max(at-time.Since(l.start), 0), err
}

// impair changes what happens to the frames from now on.
func (l *lane) impair(i Impairment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line.Impairment = i
}

func (l *lane) faults() (Faults, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.line.count
	f.Refused = l.refused
	var err error
	select {
	case <-l.ended:
		err = l.err
	default:
		f.Overrun, err = l.in.lost()
	}
	return f, err
}
