package frisbee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

const (
	// readAhead are the pieces of the file that are in memory at a time, of
	// pieceSize bytes each. More would hide a slower disk, but what is in them
	// counts as sent already when it is asked for.
	readAhead = 4
	pieceSize = 64 << 10
	// readTries are made again, a respite apart, where the file cannot be read.
	readTries = 100
	// answering is how long answers may hold up the blocks.
	answering = 20 * time.Millisecond
	// directAnswers in a second go to the client alone, more of them to all, and
	// beyond mostAnswers there are none.
	directAnswers = 32
	mostAnswers   = 1000
)

// piece is a run of blocks, read from the file, or of coded ones.
type piece struct {
	queue.Work
	data    []byte
	headers []byte
}

func (s *Server) newPiece() *piece {
	n := pieceSize / s.o.Geometry.BlockSize()
	return &piece{data: make([]byte, pieceSize), headers: make([]byte, 0, n*wire.BlockHeaderLen)}
}

// read reads what is wanted, and hands it to the sender.
func (s *Server) read(ctx context.Context, free <-chan *piece, to chan<- *piece) error {
	x := newMixing(s)
	for {
		var p *piece
		select {
		case <-ctx.Done():
			return nil
		case p = <-free:
		}
		if err := s.next(ctx, p); err != nil {
			return err
		}
		if p.Coded {
			if err := x.mix(ctx, p); err != nil {
				return err
			}
		} else if err := s.readBlocks(ctx, p); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case to <- p:
		}
	}
}

func (s *Server) readBlocks(ctx context.Context, p *piece) error {
	off := int64(p.Chunk)*wire.ChunkSize + int64(p.First)*int64(s.o.Geometry.BlockSize())
	if err := s.readAt(ctx, p.data[:int(p.Count)*s.o.Geometry.BlockSize()], off); err != nil {
		return err
	}
	p.headers = p.headers[:0]
	for i := range p.Count {
		p.headers = wire.AppendBlockHeader(p.headers, s.o.Geometry, s.from, p.Chunk, p.First+i)
	}
	return nil
}

// readAt reads from the file, beyond whose end are zeros. One that is on a
// network may fail for a while.
func (s *Server) readAt(ctx context.Context, b []byte, off int64) error {
	n := min(int64(len(b)), s.o.Size-off)
	clear(b[n:])
	b = b[:n]
	for tries := 0; ; tries++ {
		got, err := s.o.File.ReadAt(b, off)
		if got == len(b) {
			return nil
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file is shorter than it was
		}
		if tries == readTries || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("read the file at %d: %w", off, err)
		}
		s.o.Log.Warn("cannot read the file", "at", off, "err", err)
		if err := wait(ctx, respite); err != nil {
			return err
		}
	}
}

// next waits for work, and takes it from the queue.
func (s *Server) next(ctx context.Context, p *piece) error {
	most := pieceSize / s.o.Geometry.BlockSize()
	for {
		s.mu.Lock()
		now := s.now()
		s.code(now)
		w, due, ok := s.await(now, most)
		if ok {
			s.busy = now
			s.flight = append(s.flight, w)
			s.took(now, &w)
			// A repair hardly ever begins like this.
			if !w.Coded && w.First == 0 && int(w.Count) == min(most, s.layout.Len(w.Chunk)) {
				s.seen[w.Chunk] = stamp(now)
			}
		}
		s.mu.Unlock()
		if ok {
			p.Work = w
			return nil
		}
		var ripe <-chan time.Time
		if due > 0 {
			ripe = time.After(max(due-now, 0))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.work:
		case <-ripe:
		}
	}
}

// await takes what to send next from the queues, if the room is complete. If there
// is nothing, it tells when there may be, or 0. The lock is held.
func (s *Server) await(now time.Duration, most int) (w queue.Work, due time.Duration, ok bool) {
	if !s.gate.open {
		if s.queue.Blocks() == 0 {
			return w, 0, false
		}
		if most, due = s.gate.pass(now, s.roster.here, most); most == 0 {
			return w, due, false
		}
		if s.gate.open {
			s.began = time.Now()
			s.o.Log.Debug("frisbee begins", "receivers", s.roster.here, "awaited", s.gate.clients)
		}
	}
	if w, ok = s.takeWork(now, most); !ok {
		due, _ = s.queue.Due()
	}
	return w, due, ok
}

// packets appends the blocks of a piece from the first on.
func (s *Server) packets(pkts []multicast.Packet, p *piece, first, n int) []multicast.Packet {
	size, head := s.o.Geometry.BlockSize(), wire.BlockHeaderLen
	if p.Coded {
		head = s.o.Geometry.CodedLen()
	}
	for i := first; i < first+n; i++ {
		pkts = append(pkts, multicast.Packet{
			Header: p.headers[i*head:][:head], Data: p.data[i*size:][:size],
		})
	}
	return pkts
}

// send sends pieces in bursts, and answers between them.
func (s *Server) send(ctx context.Context, from <-chan *piece, free chan<- *piece) error {
	var (
		pkts []multicast.Packet
		done []*piece // that the packets have the last blocks of
		cur  *piece
		at   int // blocks of cur that are in packets
	)
	for {
		if err := s.sendReplies(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		room, pause := s.pace.room(s.now())
		s.mu.Unlock()
		if room == 0 {
			if err := wait(ctx, pause); err != nil {
				return err
			}
			continue
		}
		for len(pkts) < room {
			if cur == nil {
				if cur, at = take(from), 0; cur == nil {
					break
				}
			}
			n := min(int(cur.Count)-at, room-len(pkts))
			pkts = s.packets(pkts, cur, at, n)
			if at += n; at == int(cur.Count) {
				done, cur = append(done, cur), nil
			}
		}
		if len(pkts) == 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-s.answers:
			case cur = <-from:
				at = 0
			}
			continue
		}
		if err := s.burst(ctx, pkts); err != nil {
			return err
		}
		clear(pkts)
		pkts = pkts[:0]
		for _, p := range done {
			free <- p // there is room for all
		}
		done = done[:0]
	}
}

// take is the next piece if there is one.
func take(from <-chan *piece) *piece {
	select {
	case p := <-from:
		return p
	default:
		return nil
	}
}

// burst sends blocks. What the network does not take for now is lost, and will
// be asked for again.
func (s *Server) burst(ctx context.Context, pkts []multicast.Packet) error {
	began := s.now()
	overruns, err := s.conn.Send(ctx, pkts)
	s.mu.Lock()
	s.pace.sent(len(pkts))
	s.landed(len(pkts))
	if s.turn.blocks == 0 || began-s.turn.last > round {
		s.turn = turn{from: began} // nothing was to send before
	}
	s.turn.last = s.now()
	s.turn.blocks += len(pkts)
	s.turn.overruns += overruns
	s.mu.Unlock()
	s.count.bytes.Add(uint64(len(pkts) * s.o.Geometry.BlockSize()))
	if err != nil && multicast.Temporary(err) {
		s.count.unsent.Add(1)
		s.o.Log.Debug("frisbee cannot send", "err", err)
		return wait(ctx, respite)
	}
	return err
}

// landed notes that so many blocks were sent. The lock is held.
func (s *Server) landed(n int) {
	gone := 0
	for i := range s.flight {
		w := &s.flight[i]
		k := min(int32(n), w.Count)
		w.First, w.Count = w.First+k, w.Count-k
		if n -= int(k); w.Count > 0 {
			break
		}
		gone++
	}
	s.flight = append(s.flight[:0], s.flight[gone:]...)
}

// underway takes out of a request what is about to be sent, and tells whether
// that is all. A client asks for this when the server was held up. The lock is
// held.
func (s *Server) underway(m *wire.Partial) bool {
	for i := range s.flight {
		switch w := &s.flight[i]; {
		case w.Chunk != m.Chunk:
		case !w.Coded:
			m.Blocks.ClearRange(int(w.First), int(w.Count))
		case m.Blocks.Count() < int(w.Count)+w.Left:
			return true
		}
	}
	return m.Blocks.Empty()
}

// sendReplies answers clients. Answers are not paced: they are few, and short.
func (s *Server) sendReplies(ctx context.Context) error {
	s.mu.Lock()
	replies := s.replies
	s.replies = nil
	s.mu.Unlock()
	began := time.Now()
	if len(replies) == 0 || began.Before(s.mum) {
		return nil
	}
	short, stop := context.WithTimeout(ctx, answering)
	defer stop()
	for _, r := range replies {
		if began.Sub(s.answered.from) >= time.Second {
			s.answered.from, s.answered.n = began, 0
		}
		// What goes to machines that there are not waits for them in the kernel,
		// and fills the socket. The group is always there, and as good.
		if s.answered.n++; s.answered.n > mostAnswers {
			return nil
		} else if s.answered.n > directAnswers {
			if _, ok := r.m.(wire.Progress); ok {
				continue // is for one client, and others may not know it
			}
			r.to = s.conn.Peer()
			if m, ok := r.m.(wire.Join2Reply); ok {
				m.Blocks = 0
				r.m = m
			}
		}
		b := r.m.Append(nil, s.o.Geometry, s.from)
		_, err := s.conn.SendTo(short, r.to, []multicast.Packet{{Data: b}})
		switch {
		case err == nil || multicast.Temporary(err):
		case ctx.Err() != nil || short.Err() == nil:
			return err
		default:
			// The kernel looks for machines that there are not, as many as it can.
			s.mum = time.Now().Add(10 * answering)
			return nil
		}
	}
	return nil
}

// tend does what is due from time to time, and ends the session.
func (s *Server) tend(ctx context.Context) error {
	const look = 100 * time.Millisecond
	t := time.NewTicker(look)
	defer t.Stop()
	for refresh := s.now(); ; {
		now := s.now()
		if now >= refresh { // at once, too: some switches do not understand what the kernel says
			refresh = now + s.o.Keepalive
			if err := s.conn.Refresh(); err != nil {
				s.o.Log.Debug("frisbee cannot refresh its membership", "err", err)
			}
		}
		s.mu.Lock()
		s.rank(now)
		s.adapt(now)
		quiet := now - s.busy
		over := s.o.Idle > 0 && quiet >= s.o.Idle || s.o.UntilLeft && s.roster.left(quiet)
		s.mu.Unlock()
		if over {
			return errOver
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
