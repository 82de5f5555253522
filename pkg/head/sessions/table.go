// Package sessions has the head send images by multicast on demand
// (docs/head.md): one session for each version of an image and each of the
// head's networks. It begins when the first node asks for it, others join it
// whenever they come, and it ends when nobody has wanted anything for a while.
//
// A session sends the version of the image that it began with, from the file
// that it keeps open, whatever becomes of the name meanwhile.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// Table is the sessions that run. Its methods may be called from anywhere.
type Table struct {
	o    Options
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu   sync.Mutex
	runs map[key]*session
}

// key is what there is one session for.
type key struct{ etag, iface string }

// Image is an open image.
type Image struct {
	Name string
	ETag string // that tells versions apart
	Root string // of an Orbit image
	File *os.File
}

// Open opens the version of an image that a store has now.
func Open(store *images.Store, name string) (Image, error) {
	f, err := store.Open(name)
	if err != nil {
		return Image{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return Image{}, errors.Join(err, f.Close())
	}
	image := Image{Name: name, ETag: images.Tag(st), File: f}
	if root, ok := store.Root(f); ok {
		image.Root = root.String()
	}
	return image, nil
}

// FullError refuses a session because there are enough.
type FullError struct{ Most int }

func (e *FullError) Error() string {
	return fmt.Sprintf("there are %d multicast sessions already, and no more are allowed (orbitd serve --multicast-sessions): take the image by HTTP", e.Most)
}

// NetworkError says that there can be no multicast for a request.
type NetworkError struct{ Why string }

func (e *NetworkError) Error() string { return "no multicast: " + e.Why }

// ErrEnded says that the head is about to stop.
var ErrEnded = errors.New("the head stops: it begins no multicast session any more")

// New makes a table. Close ends it.
func New(o Options) (*Table, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	t := &Table{o: o.withDefaults(), runs: map[key]*session{}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t, nil
}

// Close ends all sessions and waits for that.
func (t *Table) Close() error {
	t.mu.Lock()
	t.stop() // under the lock, so that none begins after the wait
	t.mu.Unlock()
	t.all.Wait()
	return nil
}

// Interface names the one with an address of this machine, as a request has in
// its connection.
func Interface(addr netip.Addr) (string, error) {
	addr = addr.Unmap()
	if !addr.Is4() {
		return "", &NetworkError{fmt.Sprintf("it is for IPv4, and this request came to %s", addr)}
	}
	all, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err != nil || p.Addr() != addr {
				continue
			}
			if i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
				return "", &NetworkError{fmt.Sprintf("interface %s has none (ask by the head's address on the network of the nodes)", i.Name)}
			}
			return i.Name, nil
		}
	}
	return "", &NetworkError{fmt.Sprintf("no interface has the address %s any more", addr)}
}

// Join gives the session of an image on an interface, a new one if there is
// none. It takes the file over.
func (t *Table) Join(image Image, iface string) (api.Room, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.runs[key{image.ETag, iface}]
	if s != nil {
		s.last = time.Now()
		return s.room, image.File.Close()
	}
	s, err := t.begin(image, iface)
	if err != nil {
		return api.Room{}, errors.Join(fmt.Errorf("send image %s by multicast: %w", image.Name, err), image.File.Close())
	}
	return s.room, nil
}

// begin starts a session. The lock is held.
func (t *Table) begin(image Image, iface string) (*session, error) {
	if t.ctx.Err() != nil {
		return nil, ErrEnded
	}
	if len(t.runs) >= t.o.Most && !t.makeRoom() {
		return nil, &FullError{t.o.Most}
	}
	s, err := t.open(image, iface)
	if err != nil {
		return nil, err
	}
	t.runs[s.key] = s
	t.all.Go(func() { t.run(s) })
	return s, nil
}

// spare is for how long a session must have been left alone to make room for
// another: long enough for a node to come that was told of it.
const spare = 30 * time.Second

// makeRoom ends the session that has been left alone longest, if it has no clients
// or they are silent for so long that they may well be gone.
func (t *Table) makeRoom() bool {
	var idle *session
	for _, s := range t.runs {
		most := t.o.Idle
		if s.server.Stats().Clients == 0 {
			most = min(spare, most)
		}
		if time.Since(s.last) >= most && (idle == nil || s.last.Before(idle.last)) {
			idle = s
		}
	}
	if idle == nil {
		return false
	}
	t.drop(idle)
	return true
}

// drop ends a session, and frees its place now. The lock is held.
func (t *Table) drop(s *session) {
	if t.runs[s.key] == s {
		delete(t.runs, s.key)
	}
	s.stop()
}

// Find gives the session of a version of an image on an interface, if it runs.
func (t *Table) Find(etag, iface string) (api.Session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.runs[key{etag, iface}]
	if s == nil {
		return api.Session{}, false
	}
	return s.describe(), true
}

// List describes all sessions, the oldest first.
func (t *Table) List() []api.Session {
	t.mu.Lock()
	list := []api.Session{}
	for _, s := range t.runs {
		list = append(list, s.describe())
	}
	t.mu.Unlock()
	slices.SortFunc(list, func(a, b api.Session) int {
		return cmp.Or(a.Since.Compare(b.Since), a.Peer.Compare(b.Peer))
	})
	return list
}
