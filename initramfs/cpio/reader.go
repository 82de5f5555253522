package cpio

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Reader reads the entries of one archive in order.
type Reader struct {
	r io.Reader
	n int64 // bytes read
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next entry, or io.EOF after the last. An archive that ends
// before its trailer is an error that wraps io.ErrUnexpectedEOF.
func (r *Reader) Next() (Entry, error) {
	start := r.n
	header, err := r.take(headerLength)
	if err != nil {
		return Entry{}, err
	}
	if string(header[:6]) != magic {
		return Entry{}, &FormatError{start, fmt.Sprintf("%q is not the magic of a newc header", header[:6])}
	}
	var fields [13]uint32
	for i := range fields {
		digits := string(header[6+8*i:][:8])
		v, err := strconv.ParseUint(digits, 16, 32)
		if err != nil || strings.ContainsAny(digits, "+_") {
			return Entry{}, &FormatError{start + 6 + 8*int64(i), fmt.Sprintf("%q is not a number", digits)}
		}
		fields[i] = uint32(v)
	}
	mode, dataLength, nameLength := fields[1], fields[6], fields[11]
	if nameLength < 2 || nameLength > maxName || dataLength > maxData {
		return Entry{}, &FormatError{start, fmt.Sprintf("a name of %d bytes and %d bytes of data cannot be", nameLength, dataLength)}
	}
	name, err := r.takePadded(int(nameLength))
	if err != nil {
		return Entry{}, err
	}
	if i := strings.IndexByte(string(name), 0); i != len(name)-1 {
		return Entry{}, &FormatError{start + headerLength, "the name does not end with a NUL"}
	}
	e := Entry{Name: string(name[:len(name)-1]), Mode: mode, Major: fields[9], Minor: fields[10]}
	if e.Name == trailer {
		return Entry{}, io.EOF
	}
	if e.Data, err = r.takePadded(int(dataLength)); err != nil {
		return Entry{}, fmt.Errorf("%s: %w", e.Name, err)
	}
	return e, nil
}

// takePadded reads n bytes and what pads them to a multiple of four.
func (r *Reader) takePadded(n int) ([]byte, error) {
	b, err := r.take(n)
	if err != nil {
		return nil, err
	}
	_, err = r.take(int(-r.n & 3))
	return b, err
}

// take reads n bytes. A hostile length must not make it allocate more than
// the archive holds, so long ones are read as they come.
func (r *Reader) take(n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.r, int64(n)))
	r.n += int64(len(b))
	if err == nil && len(b) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("cpio archive at byte %d: %w", r.n, err)
	}
	return b, nil
}
