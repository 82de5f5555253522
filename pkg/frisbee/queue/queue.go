// Package queue is the work of a frisbee server (docs/frisbee.md): which blocks
// to send next. Requests of all clients are merged, so that what many ask for at
// a time is sent once, and chunks are served in the order in which they were
// asked for.
//
// It has no lock, no clock and no socket: a server asks it for the next blocks
// when it has sent the last ones, and adds requests in between.
//
// Where all clients understand it, what many of them lack of a chunk, each
// something else, is repaired by coded blocks ([wire.Coded]): see [Queue.Code].
// Some go ahead of requests, as many as were lost before: see [Queue.Lost].
// A [Mixer] makes them.
package queue

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// DefaultEntries is how many chunks may wait, unless said otherwise. Entries take
// about 170 bytes each.
const DefaultEntries = 1 << 17

// Outcome is what became of a request.
type Outcome uint8

const (
	Refused  Outcome = iota // the file has no such blocks
	Appended                // the chunk was not waiting: now it is
	Merged                  // with what waits, or is being sent
	Dropped                 // the whole chunk is wanted, and just being sent as a whole
	Full                    // too many chunks wait
)

// Queue holds what is wanted of a file. Chunks wait in the order in which they
// were first asked for, each with the set of its blocks that are wanted. The
// chunk at the head leaves run by run, and a run leaves in pieces. There is at
// most one entry for each chunk that waits, and one for the chunk being sent.
//
// It is not safe for concurrent use.
type Queue struct {
	layout wire.Layout
	most   int // entries that wait
	stats  Stats

	entries []entry         // all that were ever needed at a time
	free    int32           // first unused entry
	list    list            // of what waits
	waiting map[int32]int32 // chunk to entry, but for the one being sent
	blocks  int64           // wanted, not taken

	// The run being sent. It is over when Next is called after its last piece.
	running  bool
	whole    bool // it is the whole chunk
	more     bool // the head is this chunk's entry, and has blocks after the run
	chunk    int32
	pos, end int // blocks from pos on are yet to be taken

	code  code
	ahead ahead
}

type entry struct {
	chunk  int32
	next   int32
	blocks wire.Bitmap
	most   int           // blocks that one client asked for
	since  time.Duration // when the first did
}

// list is a queue of entries.
type list struct{ head, tail int32 }

const none = -1

// New is an empty queue for a file, for at most so many chunks that wait, or
// DefaultEntries if that is not positive. It never needs memory for more than
// this, nor for more than the file has.
func New(l wire.Layout, entries int) *Queue {
	if entries <= 0 {
		entries = DefaultEntries
	}
	nothing := list{none, none}
	return &Queue{layout: l, most: entries, free: none, list: nothing, waiting: map[int32]int32{}, code: code{held: nothing}}
}

// Work is what to send next: blocks in a row, or as many coded blocks. Of those
// First means nothing.
type Work struct {
	wire.Request
	Coded bool
	Left  int // coded blocks of this chunk that are to follow at once
}

// Add adds a request that came at a time. Blocks that are yet to come in the run being sent are not
// sent again for it. A request that is refused comes with a wire.Error.
func (q *Queue) Add(now time.Duration, m *wire.Partial) (Outcome, error) {
	if err := q.layout.CheckPartial(m); err != nil {
		q.stats.Refused++
		return Refused, err
	}
	o := q.merge(now, m)
	q.stats.count(o)
	return o, nil
}

func (q *Queue) merge(now time.Duration, m *wire.Partial) Outcome {
	want, n := m.Blocks, m.Blocks.Count()
	sending := q.running && q.chunk == m.Chunk
	at, waits := q.waiting[m.Chunk]
	q.stats.asked(m, n, n == q.layout.Len(m.Chunk), sending || waits)
	if sending && q.code.total > 0 {
		if q.joins(n) {
			return Merged
		}
	} else if sending {
		if q.whole && n == q.layout.Len(m.Chunk) {
			return Dropped
		}
		want.ClearRange(q.pos, q.end-q.pos)
		if q.more {
			// What is behind the run can still go with this entry. The chunk's other
			// entry, if there is one, has only blocks before it.
			later := want
			later.ClearRange(0, q.end)
			q.or(q.list.head, &later, n)
			want.AndNot(&later)
		}
		if want.Empty() {
			return Merged
		}
	}
	if waits {
		q.or(at, &want, n)
		return Merged
	}
	if len(q.waiting) >= q.most {
		return Full
	}
	q.push(now, m.Chunk, &want, n)
	return Appended
}

// or adds blocks to an entry, of a client that asked for n.
func (q *Queue) or(at int32, want *wire.Bitmap, n int) {
	e := &q.entries[at]
	before, most := e.blocks.Count(), e.most
	e.blocks.Or(want)
	e.most = max(most, n)
	q.grow(e.blocks.Count()-before, e.most-most)
}

// grow counts blocks that are wanted now, and by how many more than before of
// a chunk one client does.
func (q *Queue) grow(blocks, most int) {
	q.blocks += int64(blocks)
	if q.code.on {
		blocks = most
	}
	q.stats.Wanted += uint64(blocks)
}

func (q *Queue) push(now time.Duration, chunk int32, want *wire.Bitmap, n int) {
	at := q.free
	if at == none {
		at = int32(len(q.entries))
		q.entries = append(q.entries, entry{})
	} else {
		q.free = q.entries[at].next
	}
	q.entries[at] = entry{chunk, none, *want, n, now}
	q.append(&q.list, at)
	q.waiting[chunk] = at
	q.grow(want.Count(), n)
}

func (q *Queue) append(l *list, at int32) {
	q.entries[at].next = none
	if l.tail == none {
		l.head = at
	} else {
		q.entries[l.tail].next = at
	}
	l.tail = at
}

// shift takes the head off.
func (q *Queue) shift(l *list) {
	if l.head = q.entries[l.head].next; l.head == none {
		l.tail = none
	}
}

// Next gives the next blocks to send, at least one and at most so many in a row.
// To call it says that what it gave before is sent. There are none if nothing
// waits, or what does is held back: see Due.
func (q *Queue) Next(now time.Duration, most int) (Work, bool) {
	if q.pos == q.end && q.code.left == 0 && !q.begin(now) {
		return Work{}, false
	}
	w := Work{Request: wire.Request{Chunk: q.chunk}}
	n := max(most, 1)
	if w.Coded = q.code.total > 0; w.Coded {
		n = min(n, q.code.left)
		q.code.left -= n
		w.Left = q.code.left
		q.stats.Coded += uint64(n)
	} else {
		n = min(n, q.end-q.pos)
		w.First = int32(q.pos)
		q.pos += n
	}
	w.Count = int32(n)
	q.blocks -= int64(n)
	q.stats.Sent += uint64(n)
	return w, true
}

// begin takes the head: its first run, or all of it if it is to be coded.
func (q *Queue) begin(now time.Duration) bool {
	q.code.total = 0
	if q.whole && q.follow() {
		return true
	}
	l := &q.list
	if !q.more {
		l = q.ripe(now)
	}
	q.running = l.head != none
	if !q.running {
		return false
	}
	e := &q.entries[l.head]
	if !q.more {
		delete(q.waiting, e.chunk)
		q.ahead.learn(e.chunk)
		if q.encode(e) {
			q.release(l)
			return true
		}
	}
	first, n := e.blocks.Run(0)
	e.blocks.ClearRange(first, n)
	q.chunk, q.pos, q.end = e.chunk, first, first+n
	q.whole = n == q.layout.Len(e.chunk)
	if q.more = !e.blocks.Empty(); !q.more {
		q.release(l)
	} else if l != &q.list {
		q.unhold()
	}
	return true
}

// Midway tells whether there is more of the chunk that Next gave a part of last.
func (q *Queue) Midway() bool { return q.pos < q.end || q.code.left > 0 || q.more }

// Trim takes out of a request what the queue has blocks of anyway, but for what
// is to be coded.
func (q *Queue) Trim(m *wire.Partial) {
	if at, ok := q.waiting[m.Chunk]; ok && (!q.code.on || q.entries[at].most > q.layout.Codable(m.Chunk)) {
		m.Blocks.AndNot(&q.entries[at].blocks)
	}
}

// release takes the head off, whose entry is free now.
func (q *Queue) release(l *list) {
	at := l.head
	q.shift(l)
	q.entries[at].next, q.free = q.free, at
}

// Entries is how many chunks wait, the one being sent included if more than the
// present run of it is wanted.
func (q *Queue) Entries() int {
	if q.more {
		return len(q.waiting) + 1
	}
	return len(q.waiting)
}

// Blocks is how many blocks Next has yet to give.
func (q *Queue) Blocks() int64 { return q.blocks }

// Stats gives the counters.
func (q *Queue) Stats() Stats { return q.stats }
