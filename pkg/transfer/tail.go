package transfer

// tailSize is how much of an upload is kept in memory after it was sent. It is
// more than the network holds, so that a sender waits for the word that bytes
// have arrived only where their receiver is slow.
const tailSize = 16 << 20

// tail keeps the last bytes of a stream.
type tail struct {
	buf        []byte // a ring
	start, end int64  // offsets in the stream
}

// write adds p, whose place in the stream is off. A gap empties the tail.
func (t *tail) write(p []byte, off int64) {
	if t.buf == nil {
		t.buf = make([]byte, tailSize)
	}
	if off != t.end {
		t.start, t.end = off, off
	}
	if n := len(p) - len(t.buf); n > 0 {
		p = p[n:]
		t.end += int64(n)
	}
	for len(p) > 0 {
		n := copy(t.buf[t.end%int64(len(t.buf)):], p)
		t.end += int64(n)
		p = p[n:]
	}
	t.start = max(t.start, t.end-int64(len(t.buf)))
}

// read copies bytes from off on, as many as there are in one piece.
func (t *tail) read(p []byte, off int64) int {
	at := off % int64(len(t.buf))
	n := min(t.end-off, int64(len(t.buf))-at)
	return copy(p, t.buf[at:at+n])
}

// has tells whether the tail goes from off to the end of the stream, end.
func (t *tail) has(off, end int64) bool {
	return off == end || t.end == end && off >= t.start && off < end
}
