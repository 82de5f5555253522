package scsi

import "fmt"

// Sense says how a command went: key, and two bytes that say more.
type Sense struct {
	Key, ASC, ASCQ byte
}

// Keys.
const (
	NoSense        = 0x0
	RecoveredError = 0x1
	NotReady       = 0x2
	IllegalRequest = 0x5
)

// Error is the sense in numbers, which is how manuals list them.
func (s Sense) Error() string {
	return fmt.Sprintf("sense key %xh, additional sense %02x/%02xh", s.Key, s.ASC, s.ASCQ)
}

// ParseSense reads fixed and descriptor format.
func ParseSense(b []byte) (Sense, bool) {
	if len(b) < 4 {
		return Sense{}, false
	}
	switch b[0] & 0x7f {
	case 0x72, 0x73:
		return Sense{b[1] & 0xf, b[2], b[3]}, true
	case 0x70, 0x71:
		s := Sense{Key: b[2] & 0xf}
		if len(b) >= 14 {
			s.ASC, s.ASCQ = b[12], b[13]
		}
		return s, true
	}
	return Sense{}, false
}

// Unsupported tells that the disk does not know the command at all.
func (s Sense) Unsupported() bool { return s.Key == IllegalRequest && s.ASC == 0x20 }

// Asleep tells from the answer to REQUEST SENSE whether the disk would have to
// spin up for the next question: it is in standby, or stopped.
func (s Sense) Asleep() bool {
	switch {
	case s.ASC == 0x5e:
		return s.ASCQ == 0x02 || s.ASCQ == 0x04 || s.ASCQ == 0x09 || s.ASCQ == 0x0a || s.ASCQ == 0x43
	case s.Key == NotReady && s.ASC == 0x04:
		return s.ASCQ == 0x02 // initializing command required
	}
	return false
}

// Warning is what an informational exception says, "" for none. Failing tells
// that the disk expects to fail.
func (s Sense) Warning() (words string, failing bool) {
	switch s.ASC {
	case 0x5d:
		return "failure predicted", true
	case 0x0b:
		if s.ASCQ == 0x01 {
			return "temperature too high", false
		}
		return fmt.Sprintf("informational exception %02x/%02xh", s.ASC, s.ASCQ), false
	}
	return "", false
}
