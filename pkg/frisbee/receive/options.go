package receive

import (
	"math"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Options are a session's. Zero values stand for what the real client does,
// where that is said.
type Options struct {
	Geometry wire.Geometry
	Bytes    uint64 // of the file

	// Want tells for each chunk whether it is needed. New asks once. nil: all.
	Want func(chunk int32) bool

	Buffers    int           // chunks in memory, complete ones included; 64
	ReadAhead  int           // new chunks asked for ahead, at least; 2
	InProgress int           // chunks being filled, beyond which no new one is asked for; 8. Of an eager client: new chunks asked for ahead, at most
	Redo       time.Duration // before what anybody has asked for is asked for again; 1 s
	Timeout    time.Duration // of waiting for a packet: a tick; 30 ms
	IdleTicks  int           // without a useful packet, until it asks again; 3

	// Run is the number of consecutive chunks that are asked for in order; the
	// runs are in random order. 1 unless set.
	Run int

	// Random gives a number from 0 to n-1, each as likely. Clients of a room
	// must differ in it. nil: chunks are asked for in ascending order, and
	// nothing is held back at random.
	Random func(n int) int

	// Eager asks for what is lost as soon as that shows, not when all is quiet.
	Eager   bool
	HoldOff time.Duration // most that an eager request waits for another's; 5 ms

	// Coded: the server has said that it may send coded blocks. An eager client
	// then waits for what others ask for, if it is as much as it lacks itself.
	Coded bool
}

// withDefaults fills in what is not set and bounds what is.
func (o Options) withDefaults() Options {
	def := func(v *int, d, most int) {
		if *v <= 0 {
			*v = d
		}
		*v = min(*v, most)
	}
	def(&o.Buffers, 64, math.MaxInt16)
	def(&o.ReadAhead, 2, math.MaxInt16)
	def(&o.InProgress, 8, math.MaxInt16)
	def(&o.IdleTicks, 3, math.MaxInt16)
	def(&o.Run, 1, math.MaxInt32)
	span := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	span(&o.Redo, time.Second)
	span(&o.Timeout, 30*time.Millisecond)
	span(&o.HoldOff, 5*time.Millisecond)
	return o
}
