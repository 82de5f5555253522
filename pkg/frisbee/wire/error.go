package wire

// Error is why a packet is not accepted. It is a small number, so that a flood
// of bad packets costs no memory, and so that a peer can count each kind in an
// array of NumErrors.
type Error uint8

const (
	ErrHeader   Error = iota // shorter than the header
	ErrDatalen               // datalen is negative
	ErrCut                   // ends before datalen says
	ErrType                  // neither request nor reply
	ErrKind                  // unknown subtype
	ErrSize                  // datalen is too small for the subtype
	ErrGeometry              // sizes are those of another geometry
	ErrChunk                 // no such chunk
	ErrBlock                 // no such block
	ErrCount                 // a number of blocks that cannot be
	ErrEmpty                 // asks for no block
	ErrSource                // another sender than it says

	NumErrors = iota
)

// Error tells what was done and why it failed.
func (e Error) Error() string { return "accept frisbee packet: " + e.Reason() }

// Reason tells why in a few words, to name a counter.
func (e Error) Reason() string {
	switch e {
	case ErrHeader:
		return "shorter than its header"
	case ErrDatalen:
		return "negative length"
	case ErrCut:
		return "cut short"
	case ErrType:
		return "neither request nor reply"
	case ErrKind:
		return "unknown subtype"
	case ErrSize:
		return "too short for its subtype"
	case ErrGeometry:
		return "sender has another block size"
	case ErrChunk:
		return "chunk out of range"
	case ErrBlock:
		return "block out of range"
	case ErrCount:
		return "impossible number of blocks"
	case ErrEmpty:
		return "no block wanted"
	case ErrSource:
		return "came from another address than it says"
	}
	return "unknown reason"
}
