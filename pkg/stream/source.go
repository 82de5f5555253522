package stream

import (
	"io"
	"sync"
)

// Reading ahead: so many buffers of so many bytes.
const (
	aheadCount = 4
	aheadSize  = 256 << 10
)

// source reads the compressed stream ahead in a goroutine of its own, lets
// decoders look at bytes before they take them, and remembers how reading ended, so
// that a broken source is never mistaken for a broken stream.
type source struct {
	chunks chan chunk
	free   chan []byte
	stop   <-chan struct{}
	wg     sync.WaitGroup

	buf   []byte // being consumed
	cur   []byte // rest of buf
	end   error  // what followed the last chunk
	count int64  // bytes received
	eof   bool
	err   error // end, where it is not io.EOF
}

// chunk is some bytes, an error, or both.
type chunk struct {
	buf []byte
	err error
}

func newSource(r io.Reader, stop <-chan struct{}) *source {
	s := &source{chunks: make(chan chunk, aheadCount), free: make(chan []byte, aheadCount), stop: stop}
	for range aheadCount {
		s.free <- nil
	}
	s.wg.Go(func() { s.ahead(r) })
	return s
}

func (s *source) ahead(r io.Reader) {
	defer close(s.chunks)
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, aheadSize)
		}
		n, err := readSome(r, buf[:aheadSize])
		select {
		case s.chunks <- chunk{buf[:n], err}:
		case <-s.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// readSome reads at least one byte.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// more makes cur non-empty, or returns why it can't.
func (s *source) more() error {
	for len(s.cur) == 0 {
		if s.buf != nil {
			s.free <- s.buf
			s.buf = nil
		}
		if s.end != nil {
			return s.end
		}
		select {
		case c, ok := <-s.chunks:
			if !ok {
				return errStopped
			}
			s.take(c)
		case <-s.stop:
			return errStopped
		}
	}
	return nil
}

func (s *source) take(c chunk) {
	s.cur, s.end = c.buf, c.err
	if cap(c.buf) == aheadSize {
		s.buf = c.buf[:0]
	}
	s.count += int64(len(c.buf))
	switch {
	// Only io.EOF itself is the end. A source that gave up may wrap the EOF of
	// a dead connection.
	case c.err == io.EOF:
		s.eof = true
	case c.err != nil:
		s.err = c.err
	}
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.more(); err != nil {
		return 0, err
	}
	n := copy(p, s.cur)
	s.cur = s.cur[n:]
	return n, nil
}

// ReadByte implements io.ByteReader, which the bit-wise decoders want.
func (s *source) ReadByte() (byte, error) {
	if err := s.more(); err != nil {
		return 0, err
	}
	c := s.cur[0]
	s.cur = s.cur[1:]
	return c, nil
}

// Peek returns the next n bytes without taking them, n being at most 64. With
// fewer there is also the error that follows them.
func (s *source) Peek(n int) ([]byte, error) {
	if len(s.cur) >= n {
		return s.cur[:n], nil
	}
	if len(s.cur) == 0 {
		if err := s.more(); err != nil || len(s.cur) >= n {
			return s.cur[:min(n, len(s.cur))], err
		}
	}
	// Across a border: gather the bytes in a buffer that also holds what
	// follows them, so that cur stays in one piece.
	joined := append(make([]byte, 0, aheadSize), s.cur...)
	for len(joined) < n {
		s.cur = nil
		if err := s.more(); err != nil {
			s.cur = joined
			return joined, err
		}
		joined = append(joined, s.cur...)
	}
	if s.buf != nil {
		s.free <- s.buf
		s.buf = nil
	}
	s.cur = joined
	return joined[:n], nil
}

// Discard takes n bytes that Peek has shown.
func (s *source) Discard(n int) { s.cur = s.cur[n:] }

// skip takes n bytes.
func (s *source) skip(n int64) error {
	for n > 0 {
		if err := s.more(); err != nil {
			return noEOF(err)
		}
		m := min(n, int64(len(s.cur)))
		s.cur = s.cur[m:]
		n -= m
	}
	return nil
}
