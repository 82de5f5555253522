package sim

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Server is a model of the real server: a queue of entries, requests merged into
// it by the real rules, and bursts of blocks at fixed intervals.
type Server struct {
	Net      *Net
	Layout   wire.Layout
	File     []byte
	Burst    int           // blocks
	Interval time.Duration // of bursts

	Sent    int // blocks
	Sums    int // of those, coded
	Asked   int // requests that came
	Retries int // requests of chunks not queued that were marked as repeated

	// Queue, if there is one, makes it a server of ours, which codes by Mixer.
	Queue *queue.Queue
	Mixer *queue.Mixer
	work  queue.Work // not sent yet
	// passed are the chunks of which all was sent when the clients were there.
	passed map[int32]bool

	id    int
	queue []entry
	busy  bool
	run   struct {
		chunk     int32
		next, end int
		whole     bool
		head      bool // the head of the queue is what is left of the same entry
	}
}

type entry struct {
	chunk  int32
	blocks wire.Bitmap
}

// Start puts the server on the network.
func (s *Server) Start(rx, tx Link) { s.id = s.Net.Join(s, rx, tx) }

// Packet takes a request.
func (s *Server) Packet(now time.Duration, d []byte) {
	p, err := wire.Parse(d, s.Layout.Geometry)
	if err != nil || !p.ForServer() {
		return
	}
	m, ok := p.Wanted()
	if !ok || s.Layout.CheckPartial(&m) != nil {
		return
	}
	s.Asked++
	if s.Queue != nil {
		s.Queue.Code(true, gather)
		s.Queue.Add(now, &m)
		if s.passed[m.Chunk] {
			s.Queue.Lost(&m)
		}
	} else {
		s.add(&m)
	}
	if !s.busy {
		s.busy = true
		s.Net.WakeAt(s.id, now+time.Millisecond) // the real one polls
	}
}

// add merges a request into the queue.
func (s *Server) add(m *wire.Partial) {
	sending := s.run.next < s.run.end
	first, n := m.Blocks.Run(0)
	if sending && s.run.whole && s.run.chunk == m.Chunk && n == s.Layout.Len(m.Chunk) {
		return
	}
	queued := false
	for i := len(s.queue) - 1; i >= 0; i-- {
		e := &s.queue[i]
		if e.chunk != m.Chunk {
			continue
		}
		queued = true
		if i == 0 && sending && s.run.head && first < s.run.end {
			continue
		}
		e.blocks.Or(&m.Blocks)
		return
	}
	if m.Retries != 0 && !queued {
		s.Retries++
	}
	s.queue = append(s.queue, entry{m.Chunk, m.Blocks})
}

// Wake sends a burst.
func (s *Server) Wake(now time.Duration) {
	for range s.Burst {
		if s.Queue != nil && !s.ours(now) || s.Queue == nil && !s.step() {
			if due, ok := s.due(); ok {
				s.Net.WakeAt(s.id, max(due, now+time.Millisecond))
				return
			}
			s.busy = false
			return
		}
	}
	s.Net.WakeAt(s.id, now+s.Interval)
}

// gather is what the server of ours waits for requests for a chunk.
const gather = 15 * time.Millisecond

// joining is for how long clients come.
const joining = 10 * time.Millisecond

func (s *Server) due() (time.Duration, bool) {
	if s.Queue == nil {
		return 0, false
	}
	return s.Queue.Due()
}

// ours sends the next block or sum, if there is one.
func (s *Server) ours(now time.Duration) bool {
	w := &s.work
	if w.Count == 0 {
		var ok bool
		if *w, ok = s.Queue.Next(now, 8); !ok {
			*w = queue.Work{}
			return false
		}
	}
	if !w.Coded && w.First == 0 && now >= joining {
		if s.passed == nil {
			s.passed = map[int32]bool{}
		}
		s.passed[w.Chunk] = true
	}
	w.Count--
	s.Sent++
	g := s.Layout.Geometry
	size := g.BlockSize()
	off := int(w.Chunk) * wire.ChunkSize
	if !w.Coded {
		off += int(w.First) * size
		b := wire.Block{Chunk: w.Chunk, Index: w.First, Data: s.File[off:min(off+size, len(s.File))]}
		s.Net.Multicast(s.id, b.Append(make([]byte, 0, wire.BlockHeaderLen+size), g, [4]byte{}))
		w.First++
		return true
	}
	chunk := make([]byte, s.Layout.Len(w.Chunk)*size)
	copy(chunk, s.File[off:])
	m := wire.Coded{Chunk: w.Chunk, Left: w.Count + int32(w.Left), Data: make([]byte, size)}
	s.Mixer.Batch(int(m.Left) + 1)
	m.Blocks = s.Mixer.Mix(m.Data, chunk)
	s.Sums++
	s.Net.Multicast(s.id, m.Append(make([]byte, 0, g.CodedLen()+size), g, [4]byte{}))
	return true
}

// step sends the next block, if there is one.
func (s *Server) step() bool {
	r := &s.run
	if r.next >= r.end {
		if len(s.queue) == 0 {
			return false
		}
		e := &s.queue[0]
		first, n := e.blocks.Run(0)
		e.blocks.ClearRange(first, n)
		r.chunk, r.next, r.end = e.chunk, first, first+n
		r.whole = n == s.Layout.Len(e.chunk)
		r.head = !e.blocks.Empty()
		if !r.head {
			s.queue = append(s.queue[:0], s.queue[1:]...)
		}
	}
	size := s.Layout.Geometry.BlockSize()
	off := int(r.chunk)*wire.ChunkSize + r.next*size
	b := wire.Block{Chunk: r.chunk, Index: int32(r.next), Data: s.File[off:min(off+size, len(s.File))]}
	s.Net.Multicast(s.id, b.Append(make([]byte, 0, wire.BlockHeaderLen+size), s.Layout.Geometry, [4]byte{}))
	s.Sent++
	r.next++
	return true
}
