package netup

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/order"
)

// search is the loop that looks for a network. Its fields belong to that
// loop; the clients it starts send answers.
type search struct {
	Config
	fixed    *fixed
	ports    map[int]*port // by interface index
	answers  chan answer
	began    time.Time
	deadline time.Time
	clients  sync.WaitGroup
}

// port is one interface that may become the network.
type port struct {
	link    netlink.Link
	name    string
	mac     string
	carrier bool
	since   time.Time // of the carrier
	stop    context.CancelFunc
	fault   string // why it cannot work at the moment
	v4, v6  *offer // what was found so far
}

// answer is what a client found, or why it cannot work.
type answer struct {
	index int
	run   context.Context // of the client: answers of cancelled ones do not count
	offer *offer
	err   error
}

// offer is an address that could be used on a port.
type offer struct {
	Network
	v6    bool
	at    time.Time
	links netlink.Link
	lease *lease4 // nil unless from DHCPv4
	extra []route
}

// run looks for a network until one is found, patience or ctx ends.
func (s *search) run(ctx context.Context) (*offer, error) {
	links, err := watchLinks(ctx, &s.clients)
	if err != nil {
		return nil, err
	}
	s.deadline = s.began.Add(s.Patience)
	note := time.NewTimer(3 * time.Second)
	defer note.Stop()
	wake := time.NewTimer(s.Patience)
	defer wake.Stop()
	for {
		best, again := choose(time.Now(), s.offers(), s.BootMAC, s.grace())
		if best != nil {
			return best, nil
		}
		if now := time.Now(); !now.Before(s.deadline) {
			return nil, &NoAnswerError{Waited: now.Sub(s.began), Interfaces: s.states(now)}
		}
		if again.IsZero() || again.After(s.deadline) {
			again = s.deadline
		}
		wake.Reset(time.Until(again))
		select {
		case l, ok := <-links:
			if !ok {
				return nil, errors.Join(ctx.Err(), errors.New("watch network interfaces: netlink socket closed"))
			}
			s.update(ctx, l)
		case a := <-s.answers:
			s.answer(a)
		case <-note.C:
			s.note()
			note.Reset(10 * time.Second)
		case <-wake.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// wait ends when every client has ended; their context is done by now.
func (s *search) wait() {
	ended := make(chan struct{})
	go func() { s.clients.Wait(); close(ended) }()
	for {
		select {
		case <-s.answers:
		case <-ended:
			return
		}
	}
}

// update follows one change of one interface.
func (s *search) update(ctx context.Context, l netlink.LinkUpdate) {
	a := l.Link.Attrs()
	p := s.ports[a.Index]
	if l.Header.Type == unix.RTM_DELLINK {
		if p != nil {
			p.lost()
			delete(s.ports, a.Index)
		}
		return
	}
	switch {
	case p != nil:
	case s.parent(l.Link):
		s.raise(l.Link)
		s.tag(l.Link)
		return
	case s.wanted(l.Link):
		p = &port{name: a.Name, mac: a.HardwareAddr.String()}
		s.ports[a.Index] = p
		s.raise(l.Link)
	default:
		return
	}
	p.link, p.name = l.Link, a.Name
	carrier := a.RawFlags&unix.IFF_LOWER_UP != 0 && a.RawFlags&unix.IFF_UP != 0
	switch {
	case carrier && !p.carrier:
		p.carrier, p.since, p.fault = true, time.Now(), ""
		s.deadline = p.since.Add(s.Patience)
		s.Log.Info("carrier", "interface", p.name)
		s.begin(ctx, p)
	case !carrier && p.carrier:
		s.Log.Info("carrier lost", "interface", p.name)
		p.lost()
	}
}

// begin starts the clients of a port that has carrier.
func (s *search) begin(ctx context.Context, p *port) {
	run, stop := context.WithCancel(ctx)
	p.stop = stop
	index, link, name, mac := p.link.Attrs().Index, p.link, p.name, p.mac
	found := func(o *offer, err error) {
		if o != nil {
			o.Interface, o.MAC, o.at, o.links = name, mac, time.Now(), link
		}
		select {
		case s.answers <- answer{index, run, o, err}:
		case <-run.Done():
		}
	}
	if s.fixed != nil {
		if s.fixed.fits(name) {
			s.clients.Go(func() { found(s.fixed.offer(), nil) })
		}
		return
	}
	s.clients.Go(func() { find4(run, link, s.Config, found) })
	s.clients.Go(func() { find6(run, link, s.Config, found) })
}

func (s *search) answer(a answer) {
	p := s.ports[a.index]
	if p == nil || a.run.Err() != nil {
		return
	}
	switch {
	case a.err != nil:
		p.fault = a.err.Error()
		s.Log.Info("no address yet", "interface", p.name, "err", a.err)
	case a.offer.v6:
		p.v6 = a.offer
	default:
		p.v4 = a.offer
	}
}

func (p *port) lost() {
	if p.stop != nil {
		p.stop()
	}
	p.carrier, p.v4, p.v6, p.stop = false, nil, nil, nil
}

func (s *search) offers() []*offer {
	var all []*offer
	for _, p := range s.sorted() {
		for _, o := range []*offer{p.v4, p.v6} {
			if o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

func (s *search) sorted() []*port {
	var all []*port
	for _, p := range s.ports {
		all = append(all, p)
	}
	order.Sort(all, func(a, b *port) int { return strings.Compare(a.name, b.name) })
	return all
}

// grace is how long an address on another interface has to wait for the boot
// interface, and an IPv6 address for an IPv4 one. With carrier on the boot
// interface it outlasts spanning tree (two forward delays of 15 s).
func (s *search) grace() grace {
	g := grace{boot: s.Patience / 6, family: min(s.Patience/6, 5*time.Second)}
	for _, p := range s.ports {
		if p.mac == s.BootMAC && p.carrier {
			g.boot = s.Patience / 2
		}
	}
	return g
}
