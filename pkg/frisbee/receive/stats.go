package receive

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Counters tell what happened so far.
type Counters struct {
	Useful   uint64 // blocks taken
	Coded    uint64 // coded blocks taken
	Solved   uint64 // blocks computed from those
	Supplied uint64 // blocks taken from elsewhere
	DupDone  uint64 // blocks of complete chunks
	DupOpen  uint64 // blocks that a chunk being filled had
	Unwanted uint64 // blocks of chunks that are not needed
	NoBuffer uint64 // blocks dropped for lack of a chunk buffer
	Bad      uint64 // blocks outside of the file, or of a wrong length
	Dropped  uint64 // partly filled chunks dropped

	Snooped      uint64 // requests of others
	BadRequests  uint64 // requests of others that cannot be
	Requests     uint64 // sent, of all kinds
	Partials     uint64 // sent, for single blocks
	Repeats      uint64 // sent for chunks asked for before
	WholeRepeats uint64 // of those, for all blocks
	Again        uint64 // blocks in repeats
	Timeouts     uint64 // silences that led to requests
}

// Counters are those of the session so far.
func (c *Client) Counters() Counters { return c.count }

// Stats is what a LEAVE2 says, as far as it is known here: Written, Covered,
// Joins and what concerns the disk are for the caller to fill in.
func (c *Client) Stats(now time.Duration) wire.Stats {
	n := &c.count
	s := wire.Stats{
		Version:    wire.StatsVersion,
		RunSeconds: int32(now / time.Second), RunMillis: int32(now % time.Second / time.Millisecond),
		Buffers: int32(c.o.Buffers), ReadAhead: int32(c.o.ReadAhead), InProgress: int32(c.o.InProgress),
		Timeout: int32(c.o.Timeout / time.Microsecond), IdleTicks: int32(c.o.IdleTicks),
		RedoDelay: int32(c.o.Redo / time.Microsecond),
		NoBuffer:  uint32(n.NoBuffer), DupDone: uint32(n.DupDone), DupOpen: uint32(n.DupOpen),
		Partials: uint32(n.Partials), Timeouts: uint32(n.Timeouts), Requests: uint32(n.Requests),
		Again: uint32(n.Again), Repeats: uint32(n.Repeats), Dropped: uint32(n.Dropped), WholeRepeats: uint32(n.WholeRepeats),
	}
	if c.o.Random != nil {
		s.Random = 1
	}
	return s
}
