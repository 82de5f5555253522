package queue

import (
	"math"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// spare are the coded blocks that are sent beyond what the neediest client
	// lacks: with so many a random system has a solution in three cases of four.
	spare = 2
)

// code is what coded blocks are about.
type code struct {
	on     bool
	gather time.Duration
	held   list // entries that have had their turn, and wait for more requests

	// The batch being sent, over when Next is called after its last piece.
	total, left int // coded blocks; no batch if total is 0
}

// Code has repairs coded from now on, or not any more. Only if all clients
// understand it may it be on. A chunk of which single blocks are wanted waits for
// gather from the first such request on, so that those of all clients come
// together. It then takes as many coded blocks as the neediest client lacks, and
// some more, instead of all blocks that any client lacks.
func (q *Queue) Code(on bool, gather time.Duration) {
	q.code.on, q.code.gather = on, gather
	if !on && q.code.left > 0 {
		// Some client does not understand the rest. What it lacks, it will ask for.
		q.blocks -= int64(q.code.left)
		q.code.left = 0
	}
}

// Codes tells whether repairs are coded.
func (q *Queue) Codes() bool { return q.code.on }

// Due is when what is held back is to be sent, if anything is.
func (q *Queue) Due() (time.Duration, bool) {
	if q.code.held.head == none {
		return 0, false
	}
	return q.entries[q.code.held.head].since + q.code.gather, true
}

// Busy tells whether there is something to send that is not held back. A chunk
// that is to be coded may wait the longer for that.
func (q *Queue) Busy() bool { return q.list.head != none }

// ripe is the list that has the next entry to send at its head. What comes to
// the front too early is put aside.
func (q *Queue) ripe(now time.Duration) *list {
	c := &q.code
	for {
		if due, ok := q.Due(); ok && (now >= due || !c.on) {
			return &c.held
		}
		at := q.list.head
		if at == none {
			return &q.list
		}
		if e := &q.entries[at]; !c.on || now >= e.since+c.gather || e.most > q.layout.Codable(e.chunk) {
			return &q.list
		}
		q.shift(&q.list)
		q.append(&c.held, at)
	}
}

// unhold has the held head at the front again, because only a part of it was
// taken.
func (q *Queue) unhold() {
	at := q.code.held.head
	q.shift(&q.code.held)
	q.entries[at].next = q.list.head
	if q.list.head = at; q.list.tail == none {
		q.list.tail = at
	}
}

// sums is how many coded blocks to send to clients that lack up to n blocks.
func (q *Queue) sums(n int) int {
	return int(math.Ceil(float64(n+spare) / (1 - q.ahead.loss)))
}

// encode begins a batch of coded blocks instead of the blocks of an entry. More
// clients than have asked may need it, but for few blocks.
func (q *Queue) encode(e *entry) bool {
	c := &q.code
	if !c.on || e.most > q.layout.Codable(e.chunk) {
		return false
	}
	all, n := e.blocks.Count(), q.sums(e.most)
	if n >= all && e.most <= wire.Few {
		return false
	}
	q.blocks -= int64(all)
	q.chunk, q.pos, q.end, q.whole = e.chunk, 0, 0, false
	q.batch(n)
	return true
}

// batch begins n coded blocks of the chunk being sent, or adds them to a batch.
func (q *Queue) batch(n int) {
	q.code.total += n
	q.code.left += n
	q.blocks += int64(n)
	q.ahead.sent(q.chunk, n)
}

// joins tells whether a request for n blocks is one more of those that the
// batch being sent is for. If it was needier than all of them, the batch grows.
func (q *Queue) joins(n int) bool {
	c := &q.code
	if !c.on || n > q.layout.Codable(q.chunk) {
		return false
	}
	if more := q.sums(n) - c.total; more > 0 {
		q.batch(more)
		q.stats.Wanted += uint64(more)
	}
	return true
}
