package inflate

import "strconv"

// Fault says what is wrong with a stream.
type Fault uint8

// The ways in which a stream is broken.
const (
	Truncated       Fault = iota + 1 // the input ends before the stream
	BadHeader                        // not a zlib header
	Dictionary                       // a preset dictionary is asked for
	BadBlock                         // a block of the reserved type
	BadStored                        // a stored length that contradicts its complement
	BadCounts                        // too many symbols of lengths or distances
	BadLengthCode                    // a code of code lengths that is not complete
	BadLengths                       // code lengths that repeat nothing or too often
	NoEnd                            // a code without the end of its block
	BadLiteralCode                   // a code of literals and lengths that is not complete
	BadDistanceCode                  // a code of distances that is not complete
	BadSymbol                        // a code word or symbol that has no meaning
	BadDistance                      // a distance to before the output's start
	BadChecksum                      // the output does not match its checksum
)

var faults = [...]string{
	Truncated:       "truncated",
	BadHeader:       "not a zlib stream",
	Dictionary:      "preset dictionary",
	BadBlock:        "unknown block type",
	BadStored:       "stored length contradicts its complement",
	BadCounts:       "too many symbols",
	BadLengthCode:   "bad code of code lengths",
	BadLengths:      "bad repeat of a code length",
	NoEnd:           "no code for the end of the block",
	BadLiteralCode:  "bad code of literals",
	BadDistanceCode: "bad code of distances",
	BadSymbol:       "unknown symbol",
	BadDistance:     "distance too far back",
	BadChecksum:     "wrong checksum",
}

// String returns a few words on the fault.
func (f Fault) String() string {
	if int(f) < len(faults) && faults[f] != "" {
		return faults[f]
	}
	return "unknown fault"
}

// Error is the error of a broken stream.
type Error struct {
	Fault  Fault
	Offset int // bytes of input used when it was noticed
}

// Error says what is wrong and where.
func (e *Error) Error() string {
	return "inflate: " + e.Fault.String() + " at byte " + strconv.Itoa(e.Offset)
}

// fault makes the error of f here. What was decoded from bits behind the end
// of the input means nothing: then the stream is truncated.
func (r *Reader) fault(f Fault) error {
	offset := r.bits.offset()
	if offset > len(r.input) {
		f, offset = Truncated, len(r.input)
	}
	return &Error{f, offset}
}
