package ata

import (
	"encoding/binary"
	"fmt"
)

// Log addresses for READ LOG EXT.
const (
	LogDirectory  = 0x00
	LogStatistics = 0x04
)

// Pages reads from the 512 bytes of the log directory how many pages of 512
// bytes a log has. It is 0 where there is no such log.
func Pages(directory []byte, log byte) int {
	if len(directory) < 512 || log == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(directory[2*int(log):]))
}

// Statistics are pages of the device statistics log.
type Statistics [][]byte

// ParseStatistics splits what was read of the log, from its page 0 on.
func ParseStatistics(b []byte) (Statistics, error) {
	if len(b) < 512 {
		return nil, fmt.Errorf("read device statistics: %w", errShort)
	}
	var s Statistics
	for n := 0; len(b) >= 512; n, b = n+1, b[512:] {
		if page := b[:512]; page[0]|page[1] != 0 && int(page[2]) == n { // revision, and its own number
			s = append(s, page)
		} else {
			s = append(s, nil)
		}
	}
	return s, nil
}

// get is the statistic at an offset of a page, in its lower 7 bytes. The eighth
// tells whether the disk has it, and whether it is valid.
func (s Statistics) get(page, off int) (uint64, bool) {
	const has, valid = 1 << 7, 1 << 6
	if page >= len(s) || s[page] == nil {
		return 0, false
	}
	b := s[page][off:][:8]
	return binary.LittleEndian.Uint64(b) & (1<<56 - 1), b[7]&has != 0 && b[7]&valid != 0
}

func (s Statistics) count(page, off int) (int64, bool) {
	n, ok := s.get(page, off)
	return int64(n & 0xffffffff), ok
}

func (s Statistics) PowerCycles() (int64, bool)   { return s.count(1, 8) }
func (s Statistics) Hours() (int64, bool)         { return s.count(1, 16) }
func (s Statistics) Reallocated() (int64, bool)   { return s.count(3, 32) }
func (s Statistics) Pending() (int64, bool)       { return s.count(3, 56) }
func (s Statistics) Uncorrectable() (int64, bool) { return s.count(4, 8) }
func (s Statistics) CRCErrors() (int64, bool)     { return s.count(6, 24) }

// Written is in logical sectors.
func (s Statistics) Written() (int64, bool) {
	n, ok := s.get(1, 24)
	return int64(n & (1<<48 - 1)), ok
}

// Read is in logical sectors.
func (s Statistics) Read() (int64, bool) {
	n, ok := s.get(1, 40)
	return int64(n & (1<<48 - 1)), ok
}

// Temperature is in degrees Celsius.
func (s Statistics) Temperature() (int, bool) {
	n, ok := s.get(5, 8)
	t := int(int8(n))
	return t, ok && t != -128
}

// Wear is the percentage of a solid state disk's life that is used.
func (s Statistics) Wear() (int, bool) {
	n, ok := s.get(7, 8)
	return int(n & 0xff), ok
}
