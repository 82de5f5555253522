package scsi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Codes of log pages.
const (
	PageSupported   = 0x00
	PageWrites      = 0x02 // error counters
	PageReads       = 0x03
	PageVerify      = 0x05
	PageTemperature = 0x0d
	PageStartStop   = 0x0e
	PageSolidState  = 0x11
	PageBackground  = 0x15 // scan results
	PageExceptions  = 0x2f // informational exceptions
)

// Log is one log page.
type Log struct {
	Page   byte
	Values []Parameter // none for PageSupported
	Pages  []byte      // for PageSupported
}

// Parameter is one value of a log page.
type Parameter struct {
	Code uint16
	Data []byte
}

// ParseLog reads the answer to LOG SENSE for a page. What the disk cut short by
// its own length counts as far as it is whole; an answer shorter than its length
// says is an error.
func ParseLog(b []byte, page byte) (Log, error) {
	if len(b) < 4 {
		return Log{}, fmt.Errorf("read log page %02xh: %w", page, errShort)
	}
	if b[0]&0x3f != page || b[0]&0x40 != 0 && b[1] != 0 {
		return Log{}, fmt.Errorf("read log page %02xh: the answer is page %02xh", page, b[0]&0x3f)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b)-4 {
		return Log{}, fmt.Errorf("read log page %02xh: %w", page, errShort)
	}
	l, b := Log{Page: page}, b[4:][:n]
	if page == PageSupported {
		l.Pages = b
		return l, nil
	}
	for len(b) >= 4 {
		n := 4 + int(b[3])
		if n > len(b) {
			return l, fmt.Errorf("read log page %02xh: parameter %04xh is cut short", page, binary.BigEndian.Uint16(b))
		}
		l.Values = append(l.Values, Parameter{binary.BigEndian.Uint16(b), b[4:n]})
		b = b[n:]
	}
	return l, nil
}

var errShort = errors.New("answer is too short")

// Has tells whether the list of supported pages has one.
func (l Log) Has(page byte) bool {
	for _, p := range l.Pages {
		if p&0x3f == page {
			return true
		}
	}
	return false
}

// get finds a parameter with at least n bytes.
func (l Log) get(code uint16, n int) []byte {
	for _, p := range l.Values {
		if p.Code == code && len(p.Data) >= n {
			return p.Data
		}
	}
	return nil
}

// Count is a counter of up to 8 bytes. More than fits is the most that fits.
func (l Log) Count(code uint16) (int64, bool) {
	b := l.get(code, 1)
	if b == nil || len(b) > 8 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return int64(min(n, math.MaxInt64)), true
}

// Exception reads PageExceptions: what the disk would report, and its
// temperature in degrees Celsius, 0 if that is not told.
func (l Log) Exception() (s Sense, temperature int, ok bool) {
	b := l.get(0, 2)
	if b == nil {
		return Sense{}, 0, false
	}
	if len(b) >= 3 && b[2] != 0xff {
		temperature = int(b[2])
	}
	return Sense{ASC: b[0], ASCQ: b[1]}, temperature, true
}

// Temperature reads PageTemperature, in degrees Celsius.
func (l Log) Temperature() (int, bool) {
	b := l.get(0, 2)
	if b == nil || b[1] == 0xff || b[1] == 0 { // 0: no sensor, with some makers
		return 0, false
	}
	return int(b[1]), true
}

// Wear reads PageSolidState: the percentage of its life that is used.
func (l Log) Wear() (int, bool) {
	b := l.get(1, 4)
	if b == nil {
		return 0, false
	}
	return int(b[3]), true
}

// Cycles reads PageStartStop: how often the disk has spun up.
func (l Log) Cycles() (int64, bool) {
	b := l.get(4, 4)
	if b == nil || binary.BigEndian.Uint32(b) == math.MaxUint32 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(b)), true
}

// Minutes reads PageBackground: how long the disk was switched on.
func (l Log) Minutes() (int64, bool) {
	b := l.get(0, 4)
	if b == nil {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(b)), true
}

// Uncorrected reads a page of error counters.
func (l Log) Uncorrected() (int64, bool) { return l.Count(6) }

// Bytes reads a page of error counters: how much was read or written.
func (l Log) Bytes() (int64, bool) { return l.Count(5) }
