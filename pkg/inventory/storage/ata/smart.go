package ata

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Attribute is one thing that a disk watches in itself. What Value, which begins
// at 100, 200 or 253 and falls, and Raw mean is the maker's affair.
type Attribute struct {
	ID        byte
	Prefail   bool // reaching the threshold foretells failure, not only age
	Value     byte // now
	Worst     byte // ever
	Threshold byte // 0: none
	Raw       uint64
}

// Failing tells whether it is where its maker expects failure.
func (a Attribute) Failing() bool {
	return a.Threshold > 0 && a.Threshold < 254 && a.Value > 0 && a.Value <= a.Threshold
}

// SMART is all of them.
type SMART []Attribute

// attributes in one table; each takes 12 bytes.
const attributes = 30

// ParseSMART reads the 512 bytes of SMART READ DATA, and those of SMART READ
// ATTRIBUTE THRESHOLDS unless thresholds is nil.
func ParseSMART(data, thresholds []byte) (SMART, error) {
	if len(data) < 512 || thresholds != nil && len(thresholds) < 512 {
		return nil, fmt.Errorf("read SMART data: %w", errShort)
	}
	if sum(data[:512]) != 0 {
		return nil, errors.New("read SMART data: wrong checksum")
	}
	var limits [256]byte
	if thresholds != nil && sum(thresholds[:512]) == 0 {
		for i := range attributes {
			b := thresholds[2+12*i:]
			limits[b[0]] = b[1]
		}
	}
	var list SMART
	for i := range attributes {
		b := data[2+12*i:][:12]
		if b[0] == 0 {
			continue
		}
		list = append(list, Attribute{
			ID: b[0], Prefail: b[1]&1 != 0, Value: b[3], Worst: b[4], Threshold: limits[b[0]],
			Raw: uint64(binary.LittleEndian.Uint32(b[5:])) | uint64(binary.LittleEndian.Uint16(b[9:]))<<32,
		})
	}
	return list, nil
}

// Get finds an attribute.
func (s SMART) Get(id byte) (Attribute, bool) {
	for _, a := range s {
		if a.ID == id {
			return a, true
		}
	}
	return Attribute{}, false
}

// Count is the raw value of an attribute that counts events. Its upper 16 bits
// are something else with some makers.
func (s SMART) Count(id byte) (int64, bool) {
	a, ok := s.Get(id)
	return int64(a.Raw & 0xffffffff), ok
}

// Hours is how long the disk was switched on. Some count minutes or
// milliseconds in the upper bytes.
func (s SMART) Hours() (int64, bool) {
	a, ok := s.Get(9)
	return int64(a.Raw & 0xffffff), ok
}

// Temperature is in degrees Celsius, in the lowest byte of the raw value; the
// others hold the lowest and highest ever.
func (s SMART) Temperature() (int, bool) {
	for _, id := range []byte{194, 190} {
		if a, ok := s.Get(id); ok {
			if t := int(int8(a.Raw)); t > 0 && t < 120 {
				return t, true
			}
		}
	}
	return 0, false
}
