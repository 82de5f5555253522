package queue

import "github.com/orbit-pxe/orbit/pkg/frisbee/wire"

// Stats counts since the queue was made. A server that adapts its rate looks at
// what Losses and Repairs grew by.
type Stats struct {
	Appended uint64 // requests, by what became of them
	Merged   uint64
	Dropped  uint64
	Full     uint64
	Refused  uint64

	Retries uint64 // requests whose sender had asked for the chunk before
	Losses  uint64 // those for a chunk that neither waited nor was being sent
	Asked   uint64 // blocks, in all requests that were not refused
	Repairs uint64 // those of requests for a part of a chunk
	Sent    uint64 // blocks
	Coded   uint64 // of those
	Wanted  uint64 // blocks to send by what was asked for, where a request came that wanted more than others
}

func (s *Stats) count(o Outcome) {
	switch o {
	case Appended:
		s.Appended++
	case Merged:
		s.Merged++
	case Dropped:
		s.Dropped++
	case Full:
		s.Full++
	}
}

// asked counts a request for n blocks. A retry for a chunk that is on its way
// anyway tells of impatience; one for a chunk that is not tells that what was
// sent of it got lost.
func (s *Stats) asked(m *wire.Partial, n int, whole, underway bool) {
	s.Asked += uint64(n)
	if !whole {
		s.Repairs += uint64(n)
	}
	if m.Retries != 0 {
		s.Retries++
		if !underway {
			s.Losses++
		}
	}
}
