package imaging

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// mostHead is how many chunks may be needed for the head of a disk. Mostly it is
// one, and without damage or malice two, but many small regions may fill more.
const mostHead = 16

// solo is an .ndz image that comes by multicast, and by no other means. First come
// the chunks with the head of the disk, by a session of their own: nothing is
// written before the plan is made. The others come in any order.
type solo struct {
	room *Room
	from string // a host on its network, or ""
	id   uint32 // of this client, in all sessions
	size uint64 // bytes of the file, 0 before it is known
	o    ndz.Options
	cast *cast

	mu    sync.Mutex
	early map[int32][]byte // chunks that came for the head
	order *ndz.Order
	used  extent.Set // by all chunks so far
}

// openSolo joins a session, and receives the head of the disk.
func openSolo(ctx context.Context, o WriteOptions) (*source, error) {
	if o.SHA256 != "" || o.SHA256Beside {
		return nil, errors.New("an image by multicast alone comes in any order, so no sha256 of the file can be checked (give its URL, and --multicast)")
	}
	if o.trusts() {
		return nil, o.trust(nil)
	}
	u, err := parseFrisbee(o.Source)
	if err != nil {
		return nil, err
	}
	m := &source{name: o.Source}
	s := &solo{id: frisbee.NewID(), o: ndz.Options{Target: o.slice}, cast: &m.cast, early: map[int32][]byte{}}
	if s.room, s.from, s.size, err = u.find(ctx, o.Patience); err != nil {
		return nil, err
	}
	if o.soloRoom != nil {
		s.room = o.soloRoom(s.room)
	}
	if err := s.receiveHead(ctx, o); err != nil {
		return nil, err
	}
	m.solo, m.stored = s, int64(s.size)
	return m, s.expandHead(m, o)
}

// run receives what is wanted.
func (s *solo) run(ctx context.Context, o frisbee.ClientOptions) error {
	o.ID, o.Bytes = s.id, s.size
	err := s.cast.run(ctx, s.room, o, s.from)
	s.size = s.cast.size()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.explain(err)
}

// explain says what can be done about a session that failed.
func (s *solo) explain(err error) error {
	var quiet *frisbee.QuietError
	switch {
	case errors.Is(err, frisbee.ErrNoMulticast):
		return fmt.Errorf("%w from %s (does the session run, and on the network of this interface: GROUP:PORT%%INTERFACE names another? does a firewall drop UDP, or a switch that snoops IGMP have no querier?)", err, s.room.Peer.String())
	case errors.As(err, &quiet):
		return fmt.Errorf("%w (the server has ended, or its network has; nothing else has the image)", err)
	case errors.Is(err, ndz.ErrMagic):
		return fmt.Errorf("%w: by multicast alone only .ndz images come, and an Orbit image needs its URL: imagenode --multicast %s URL DISK", err, s.room.Peer.String())
	}
	return err
}

// receiveHead receives chunks until the head of the disk is complete.
func (s *solo) receiveHead(ctx context.Context, o WriteOptions) error {
	for n := int32(2); ; n *= 2 {
		err := s.run(ctx, frisbee.ClientOptions{
			Want:  func(k int32) bool { return k < n && s.early[k] == nil },
			Chunk: s.keep, Stay: true, Run: int(n), Log: o.Log,
		})
		if err != nil {
			return err
		}
		if s.size%ndz.ChunkSize != 0 {
			return s.explain(fmt.Errorf("the session has a file of %d bytes: %w", s.size, ndz.ErrMagic))
		}
		var h ndz.Header
		for k := range n {
			if chunk := s.early[k]; chunk != nil {
				if h, err = ndz.ParseHeader(chunk); err != nil { // keep has looked
					return err
				}
			}
		}
		if h.Last >= headSize/ndz.Sector || uint64(len(s.early)) == s.size/ndz.ChunkSize {
			return nil
		}
		if n == mostHead {
			return fmt.Errorf("image %s: its first %d chunks do not speak for the first MiB of the disk", o.Source, n)
		}
	}
}

// keep takes a chunk with a part of the head, if it is right.
func (s *solo) keep(ctx context.Context, k int32, data []byte) error {
	h, err := ndz.ParseHeader(data)
	if err == nil && (len(data) != ndz.ChunkSize || h.Index != k) {
		err = ndz.ErrOrder
	}
	if err == nil {
		err = ndz.NewDecoder(s.o).Decode(ctx, &h, data, func(int64, []byte) error { return nil })
		if !errors.Is(err, ndz.ErrData) && !errors.Is(err, ndz.ErrLength) {
			err = nil // what else is wrong with it is so for ever, and told later
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", frisbee.ErrBadChunk, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.early[k] = append([]byte(nil), data...)
	return nil
}

// expandHead makes the head of the disk, and understands it.
func (s *solo) expandHead(m *source, o WriteOptions) error {
	s.order = ndz.NewOrder(s.o, int64(s.size/ndz.ChunkSize))
	d, size := ndz.NewDecoder(s.o), int64(0)
	m.head = make([]byte, headSize)
	for k := range int32(len(s.early)) {
		h, err := ndz.ParseHeader(s.early[k])
		if err == nil {
			err = s.order.Add(int64(k), &h)
		}
		if err != nil {
			return chunkError(m.name, err)
		}
		m.format = chunkFormat(h.Version)
		err = d.Decode(context.Background(), &h, s.early[k], func(off int64, data []byte) error {
			if off >= headSize {
				return errHead
			}
			copy(m.head[off:], data)
			return nil
		})
		if err != nil && err != errHead {
			return chunkError(m.name, &ndz.ChunkError{Index: int64(k), Err: err})
		}
		size = s.order.Size()
	}
	m.head = m.head[:min(headSize, size)]
	return m.readTable(o.SectorSize)
}
