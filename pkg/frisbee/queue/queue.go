// Package queue is the work of a frisbee server (docs/frisbee.md): which blocks
// to send next. Requests of all clients are merged, so that what many ask for at
// a time is sent once, and chunks are served in the order in which they were
// asked for.
//
// It has no lock, no clock and no socket: a server asks it for the next blocks
// when it has sent the last ones, and adds requests in between.
package queue

import "github.com/orbit-pxe/orbit/pkg/frisbee/wire"

// DefaultEntries is how many chunks may wait, unless said otherwise. Entries take
// about 150 bytes each.
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

	entries    []entry         // all that were ever needed at a time
	free       int32           // first unused entry
	head, tail int32           // of the queue
	waiting    map[int32]int32 // chunk to entry, but for the one being sent
	blocks     int64           // wanted, not taken

	// The run being sent. It is over when Next is called after its last piece.
	running  bool
	whole    bool // it is the whole chunk
	more     bool // the head is this chunk's entry, and has blocks after the run
	chunk    int32
	pos, end int // blocks from pos on are yet to be taken
}

type entry struct {
	chunk  int32
	next   int32
	blocks wire.Bitmap
}

const none = -1

// New is an empty queue for a file, for at most so many chunks that wait, or
// DefaultEntries if that is not positive. It never needs memory for more than
// this, nor for more than the file has.
func New(l wire.Layout, entries int) *Queue {
	if entries <= 0 {
		entries = DefaultEntries
	}
	return &Queue{layout: l, most: entries, free: none, head: none, tail: none, waiting: map[int32]int32{}}
}

// Add adds a request. Blocks that are yet to come in the run being sent are not
// sent again for it. A request that is refused comes with a wire.Error.
func (q *Queue) Add(m *wire.Partial) (Outcome, error) {
	if err := q.layout.CheckPartial(m); err != nil {
		q.stats.Refused++
		return Refused, err
	}
	o := q.merge(m)
	q.stats.count(o)
	return o, nil
}

func (q *Queue) merge(m *wire.Partial) Outcome {
	want, n := m.Blocks, m.Blocks.Count()
	sending := q.running && q.chunk == m.Chunk
	at, waits := q.waiting[m.Chunk]
	q.stats.asked(m, n, n == q.layout.Len(m.Chunk), sending || waits)
	if sending {
		if q.whole && n == q.layout.Len(m.Chunk) {
			return Dropped
		}
		want.ClearRange(q.pos, q.end-q.pos)
		if q.more {
			// What is behind the run can still go with this entry. The chunk's other
			// entry, if there is one, has only blocks before it.
			later := want
			later.ClearRange(0, q.end)
			q.or(q.head, &later)
			want.AndNot(&later)
		}
		if want.Empty() {
			return Merged
		}
	}
	if waits {
		q.or(at, &want)
		return Merged
	}
	if len(q.waiting) >= q.most {
		return Full
	}
	q.push(m.Chunk, &want)
	return Appended
}

// or adds blocks to an entry.
func (q *Queue) or(at int32, want *wire.Bitmap) {
	b := &q.entries[at].blocks
	before := b.Count()
	b.Or(want)
	q.blocks += int64(b.Count() - before)
}

func (q *Queue) push(chunk int32, want *wire.Bitmap) {
	at := q.free
	if at == none {
		at = int32(len(q.entries))
		q.entries = append(q.entries, entry{})
	} else {
		q.free = q.entries[at].next
	}
	q.entries[at] = entry{chunk, none, *want}
	if q.tail == none {
		q.head = at
	} else {
		q.entries[q.tail].next = at
	}
	q.tail = at
	q.waiting[chunk] = at
	q.blocks += int64(want.Count())
}

// Next gives the next blocks to send, at least one and at most so many in a row.
// To call it says that what it gave before is sent. There are none if nothing
// waits.
func (q *Queue) Next(most int) (wire.Request, bool) {
	if q.pos == q.end && !q.begin() {
		return wire.Request{}, false
	}
	n := min(max(most, 1), q.end-q.pos)
	r := wire.Request{Chunk: q.chunk, First: int32(q.pos), Count: int32(n)}
	q.pos += n
	q.blocks -= int64(n)
	q.stats.Sent += uint64(n)
	return r, true
}

// begin takes the first run of the head.
func (q *Queue) begin() bool {
	q.running = q.head != none
	if !q.running {
		return false
	}
	e := &q.entries[q.head]
	if !q.more {
		delete(q.waiting, e.chunk)
	}
	first, n := e.blocks.Run(0)
	e.blocks.ClearRange(first, n)
	q.chunk, q.pos, q.end = e.chunk, first, first+n
	q.whole = n == q.layout.Len(e.chunk)
	if q.more = !e.blocks.Empty(); !q.more {
		at := q.head
		if q.head = e.next; q.head == none {
			q.tail = none
		}
		e.next, q.free = q.free, at
	}
	return true
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
