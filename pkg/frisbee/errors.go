package frisbee

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNoMulticast says that nothing came by multicast within the time that a
	// client waits for it: to have the file by other means is better. What
	// there is of an answer is told by a *SilentError.
	ErrNoMulticast = errors.New("no data arrives by multicast")
	// ErrBadChunk is for a client's Chunk function: the chunk is not what it
	// ought to be, and is needed again.
	ErrBadChunk = errors.New("bad chunk")
)

// SilentError is an ErrNoMulticast.
type SilentError struct {
	Answered bool          // a server has answered the join
	After    time.Duration // of waiting
}

func (e *SilentError) Error() string {
	what := "no server answers"
	if e.Answered {
		what = "the server answers, but its data does not arrive"
	}
	return fmt.Sprintf("receive by frisbee: %s within %v", what, e.After)
}

// Is tells whether it is an ErrNoMulticast.
func (e *SilentError) Is(target error) bool { return target == ErrNoMulticast }

// QuietError reports a session in which no data came any more.
type QuietError struct {
	Missing int // chunks
	After   time.Duration
}

func (e *QuietError) Error() string {
	return fmt.Sprintf("receive by frisbee: no data came for %v, and %d chunks are missing", e.After, e.Missing)
}

// OtherFileError reports a server that serves a file of another size.
type OtherFileError struct {
	Want, Got uint64 // bytes; what is got may be rounded up to blocks
}

func (e *OtherFileError) Error() string {
	return fmt.Sprintf("join by frisbee: the server has a file of %d bytes, not %d", e.Got, e.Want)
}

// ChunkError reports a chunk that arrived wrong time and again.
type ChunkError struct {
	Index int32
	Err   error
}

func (e *ChunkError) Error() string {
	return fmt.Sprintf("receive chunk %d by frisbee: %v", e.Index, e.Err)
}

func (e *ChunkError) Unwrap() error { return e.Err }
