package frisbee

import (
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// EventKind is what a client did.
type EventKind uint8

// The kinds.
const (
	Joined   EventKind = iota + 1
	Left               // with Elapsed and, if it gave them, Stats
	Progress           // with Report
)

// Event is what a client of a server did. What clients say of themselves nobody
// checks.
type Event struct {
	Kind   EventKind
	Client netip.Addr
	ID     uint32 // that it has given itself

	Elapsed time.Duration // since it began
	Stats   *wire.Stats
	Report  *wire.ProgressReply
}

func address(ip [4]byte) netip.Addr { return netip.AddrFrom4(ip) }

func (s *Server) tell(e Event) {
	if s.o.Event != nil {
		s.o.Event(e)
	}
}
