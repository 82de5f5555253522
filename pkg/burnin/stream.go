package burnin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// StreamPath is where a head gives streams (GET) and takes them (POST): with the
// seed in hexadecimal digits, and the number of bytes, in the query.
const StreamPath = "/v1/burnin/stream"

// Bounds of a stream.
const (
	MaxStream = 1 << 30 // bytes
	buffer    = 256 << 10
)

// Stream is an endless stream of bytes that a seed tells. It costs little: a block of
// scattered words comes again and again, with another number added to all of them.
func Stream(seed uint64) io.Reader {
	s := &stream{seed: seed}
	for i := range s.words {
		s.words[i] = mix(seed + uint64(i))
	}
	return s
}

type stream struct {
	seed, turn uint64
	words      [8 << 10]uint64
	block      [64 << 10]byte
	rest       []byte // of the block
}

func (s *stream) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(s.rest) == 0 {
			s.next()
		}
		k := copy(p[n:], s.rest)
		s.rest = s.rest[k:]
		n += k
	}
	return n, nil
}

// next makes another block.
func (s *stream) next() {
	add := mix(s.seed ^ s.turn<<32)
	s.turn++
	block := s.block[:]
	for _, w := range s.words {
		binary.LittleEndian.PutUint64(block, w+add)
		block = block[8:]
	}
	s.rest = s.block[:]
}

// DifferError tells of a stream that is not the one of its seed.
type DifferError struct{ At int64 } // byte

func (e *DifferError) Error() string {
	return fmt.Sprintf("the stream is another one from byte %d on", e.At)
}

// Compare reads n bytes and compares them with the stream of a seed. It gives how
// many were right; the error is a *DifferError where one was not.
func Compare(r io.Reader, seed uint64, n int64) (right int64, err error) {
	s := Stream(seed)
	buf := make([]byte, 2*buffer)
	for right < n {
		got, want := buf[:min(buffer, n-right)], buf[buffer:][:min(buffer, n-right)]
		k, err := io.ReadFull(r, got)
		s.Read(want[:k])
		if !bytes.Equal(got[:k], want[:k]) {
			return right, &DifferError{right + int64(differ(got[:k], want[:k]))}
		}
		right += int64(k)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return right, err
		}
	}
	return right, nil
}
