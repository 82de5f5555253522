package sessions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// session is one image on its way to one network.
type session struct {
	key    key
	image  Image
	room   api.Room
	since  time.Time
	server *frisbee.Server
	voices *voices
	ctx    context.Context
	stop   context.CancelFunc

	// Under the table's lock.
	last time.Time // when somebody wanted something of it
	said uint64    // packets heard and bytes sent until then
}

// tries are the ports that are tried at most: others may have some of them.
const tries = 64

// open chooses a group and a port, and opens the socket. The lock is held.
func (t *Table) open(image Image, iface string) (*session, error) {
	st, err := image.File.Stat()
	if err != nil {
		return nil, err
	}
	log := t.o.Log.With("image", image.Name, "interface", iface)
	s := &session{key: key{image.ETag, iface}, image: image, since: time.Now(), voices: newVoices(t.o.Name, log)}
	s.last = s.since
	o := frisbee.ServerOptions{
		File: image.File, Size: st.Size(), Interface: iface, TTL: t.o.TTL, MaxRate: t.o.MaxRate, Share: t.o.Share,
		Idle:  -1, // the table ends it
		Event: s.voices.hear, Log: log,
	}
	group, err := t.group()
	if err != nil {
		return nil, err
	}
	ports := uint32(t.o.Last-t.o.First) + 1
	begin := rand.Uint32N(ports)
	for i := range min(ports, tries) {
		port := t.o.First + uint16((begin+i)%ports)
		if t.taken(func(p netip.AddrPort) bool { return p.Port() == port }) {
			err = unix.EADDRINUSE
			continue
		}
		o.Peer = netip.AddrPortFrom(group, port)
		if s.server, err = frisbee.NewServer(o); !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if errors.Is(err, unix.EADDRINUSE) {
		err = &NetworkError{fmt.Sprintf("all ports are in use that were tried of %d-%d (orbitd serve --multicast-ports)", t.o.First, t.o.Last)}
	}
	if err != nil {
		return nil, err
	}
	s.room = api.Room{
		Image: image.Name, Peer: o.Peer, Server: s.server.Local().Addr(),
		Size: st.Size(), ETag: image.ETag, Root: image.Root,
	}
	s.ctx, s.stop = context.WithCancel(t.ctx)
	return s, nil
}

// group chooses one that no other session has. Where to begin is left to
// chance: there may be other heads. The lock is held.
func (t *Table) group() (netip.Addr, error) {
	n := uint32(1) << (32 - t.o.Groups.Bits()) // at most 1<<28
	begin := rand.Uint32N(n)
	// 256 in a row may not be usable.
	for i := range min(n, uint32(256+len(t.runs)+1)) {
		g := at(t.o.Groups, (begin+i)%n)
		if usable(g) && !t.taken(func(p netip.AddrPort) bool { return p.Addr() == g }) {
			return g, nil
		}
	}
	return netip.Addr{}, &NetworkError{fmt.Sprintf("all groups of %s are in use (orbitd serve --multicast-group)", t.o.Groups)}
}

// taken tells whether any session has such a peer. The lock is held.
func (t *Table) taken(like func(netip.AddrPort) bool) bool {
	for _, s := range t.runs {
		if like(s.room.Peer) {
			return true
		}
	}
	return false
}

// run is the life of a session.
func (t *Table) run(s *session) {
	log := s.voices.log.With("peer", s.room.Peer)
	log.Info("multicast session begins", "size", s.room.Size, "server", s.room.Server)
	ended := make(chan error, 1)
	go func() { ended <- s.server.Run(s.ctx) }()
	err := t.watch(s, ended)
	t.mu.Lock()
	t.drop(s)
	t.mu.Unlock()
	n := s.server.Stats()
	words := []any{"took", time.Since(s.since).Round(time.Millisecond), "clients", n.Joined, "bytes", n.Bytes}
	if cerr := s.image.File.Close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	if err != nil {
		log.Warn("multicast session failed: its nodes go on by HTTP", append(words, "error", err)...)
		return
	}
	log.Info("multicast session ends", words...)
}

// watch ends a session that nobody wants any more. It returns when the server has
// ended.
func (t *Table) watch(s *session, ended <-chan error) error {
	tick := time.NewTicker(min(max(t.o.Idle/4, 10*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if s.ctx.Err() != nil {
				err = nil // it was told to
			}
			return err
		case <-tick.C:
			t.mu.Lock()
			if t.idle(s) {
				t.drop(s)
			}
			t.mu.Unlock()
		}
	}
}

// idle tells whether a session was left alone for long enough. Real clients in it
// have as long as real servers give them: nothing else has the image for them. The
// lock is held: whoever is told of a session finds it there.
func (t *Table) idle(s *session) bool {
	n := s.server.Stats()
	if said := n.Joins + n.Leaves + n.Requests + n.Bytes; said != s.said {
		s.said, s.last = said, time.Now()
	}
	most := t.o.Idle
	if n.Classic > 0 {
		most = max(most, frisbee.Patience)
	}
	return time.Since(s.last) >= most
}

// describe tells how it goes.
func (s *session) describe() api.Session {
	n := s.server.Stats()
	d := api.Session{
		Room: s.room, Interface: s.key.iface, Since: s.since.UTC(),
		Clients: n.Clients, Joined: n.Joined, Bytes: n.Bytes, Rate: n.Rate,
	}
	for _, m := range s.server.Members() {
		if m.ID != 0 { // strangers may say that they lost anything
			d.Lost += m.Lost
		}
	}
	return d
}
