package stream

import (
	"bufio"
	"io"
)

// sourceBuffer is how much is asked of the source at a time.
const sourceBuffer = 512 << 10

// source reads the compressed stream and remembers how reading it ended, so
// that a broken source is never mistaken for a broken stream.
type source struct {
	*bufio.Reader
	tally
}

// tally counts bytes and keeps the first error.
type tally struct {
	r     io.Reader
	count int64
	eof   bool
	err   error // first error but io.EOF
}

func newSource(r io.Reader) *source {
	s := &source{tally: tally{r: r}}
	s.Reader = bufio.NewReaderSize(&s.tally, sourceBuffer)
	return s
}

func (t *tally) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	t.count += int64(n)
	if err == io.EOF {
		t.eof = true
	} else if err != nil {
		t.err = err
	}
	return n, err
}

// Read resolves the two embedded ones: decoders read through the buffer.
func (s *source) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// WriteTo hides bufio's, so that io.Copy sees a plain reader.
func (s *source) ended() bool {
	_, err := s.Peek(1)
	return err == io.EOF
}
