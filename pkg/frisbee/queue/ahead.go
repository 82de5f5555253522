package queue

import (
	"math"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// seldom is a loss for which nothing is sent ahead of requests, and costly one
	// beyond which those who lose so much have to ask.
	seldom = 0.002
	costly = 0.25
	// surprise is what losses may be believed to have grown by from one chunk to
	// the next, beyond twice as many: one client may have been busy for a moment.
	surprise = 0.01
	// forget is by which share less is believed to get lost after each chunk: where
	// losses stay the same, a fourth of the chunks is asked for then at 1 %.
	forget = 1.0 / 64
)

// ahead is what coded blocks are sent ahead of requests by: after each whole
// chunk as many as the neediest client is likely to lack. Hardly anybody has to
// ask then, which costs a room of clients more than the blocks do.
type ahead struct {
	loss   float64 // share of a chunk's blocks, coded ones included, that the neediest loses
	recent [64]passed
	next   int // of recent
}

// passed is a chunk that was sent as a whole.
type passed struct {
	chunk  int32
	blocks int // 0 if there is none
	sums   int // coded blocks of it since
	lost   int // the most that one client lacks in spite of those, if that is not learnt yet
}

// of is what is known of a chunk, or nil.
func (a *ahead) of(chunk int32) *passed {
	for i := range a.recent {
		if p := &a.recent[i]; p.blocks > 0 && p.chunk == chunk {
			return p
		}
	}
	return nil
}

// Lost says that the sender of a request, which Add is given too, was there when
// the chunk was sent, so that it has lost what it asks for.
func (q *Queue) Lost(m *wire.Partial) {
	if p := q.ahead.of(m.Chunk); p != nil {
		p.lost = max(p.lost, m.Blocks.Count())
	}
}

// Loss is the share of a chunk's blocks that is believed to get lost on its way to
// the neediest client.
func (q *Queue) Loss() float64 { return q.ahead.loss }

// learn takes what is known by now of the losses of a chunk into account.
func (a *ahead) learn(chunk int32) {
	p := a.of(chunk)
	if p == nil || p.lost == 0 {
		return
	}
	loss := min(costly, float64(p.sums+p.lost)/float64(p.blocks+p.sums), 2*a.loss+surprise)
	a.loss = max(a.loss, (a.loss+loss)/2)
	p.lost = 0
}

// sent notes that coded blocks of a chunk are being sent.
func (a *ahead) sent(chunk int32, n int) {
	if p := a.of(chunk); p != nil {
		p.sums += n
	}
}

// follow begins a batch for the chunk that was just sent as a whole, if any is
// to be sent ahead.
func (q *Queue) follow() bool {
	a, blocks := &q.ahead, q.layout.Len(q.chunk)
	q.whole = false
	p := a.of(q.chunk)
	if p == nil {
		p = &a.recent[a.next]
		a.next = (a.next + 1) % len(a.recent)
	}
	*p = passed{chunk: q.chunk, blocks: blocks}
	if !q.code.on || a.loss < seldom {
		return false
	}
	q.batch(int(math.Ceil(float64(blocks) * a.loss / (1 - a.loss))))
	a.loss -= a.loss * forget
	return true
}
