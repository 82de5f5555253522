package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync/atomic"
)

const (
	// DefaultTail is Options.Tail where none is given: the index of most images
	// is smaller.
	DefaultTail = 64 << 10

	maxRanges = 8 // ReadRange requests under way at once
)

// Ranges reads parts of a file, several at a time.
type Ranges struct {
	o        Options
	url      string
	name     string
	size     int64
	ver      version
	file     *os.File // in place of a URL
	tail     []byte   // the last bytes of the file
	slots    chan struct{}
	received atomic.Int64
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// OpenRanges opens source, a path or an http or https URL, for reading parts of
// it. From a URL its first request fetches the last o.Tail bytes, which answer
// every later reading that falls in them. It returns a *NoRangesError where
// only [Open] can read. Everything ends with ctx.
func OpenRanges(ctx context.Context, source string, o Options) (*Ranges, error) {
	r := &Ranges{o: o.withDefaults(), url: source, name: redacted(source), slots: make(chan struct{}, maxRanges)}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	var err error
	switch {
	case source == "-":
		err = &NoRangesError{URL: "standard input"}
	case isURL(source):
		err = r.openURL()
	default:
		err = r.openFile()
	}
	if err != nil {
		r.cancel(err)
		return nil, err
	}
	return r, nil
}

func (r *Ranges) openFile() error {
	s, err := openFile(r.ctx, r.url)
	if err != nil {
		return err
	}
	if r.size = s.Size(); r.size < 0 {
		s.Close()
		return &NoRangesError{URL: r.url}
	}
	r.name = r.url
	r.file = s.body.(*local).c.(*os.File)
	return nil
}

// openURL learns the size and version of the file from the answer that brings
// its tail. Servers that know no suffix ranges, or refuse those longer than the
// file, are asked once more, for the same bytes by their numbers.
func (r *Ranges) openURL() error {
	if u, err := url.Parse(r.url); err != nil || u.Host == "" {
		return fmt.Errorf("open source: %q is not a URL with a host (%v)", r.url, err)
	}
	m := r.remote()
	m.suffix = r.o.Tail
	err := r.readTail(m)
	var no *NoRangesError
	if !errors.As(err, &no) || no.size < 0 {
		return err
	}
	if r.size = no.size; no.size == 0 {
		return nil
	}
	m = r.remote()
	m.part, m.offset, m.end = true, max(0, no.size-r.o.Tail), no.size
	return r.readTail(m)
}

func (r *Ranges) readTail(m *remote) error {
	m.ctx, m.cancel = context.WithCancelCause(r.ctx)
	m.size = func(n int64) { r.size = n }
	defer m.cancel(errClosed)
	if err := m.connect(newPatience(r.o.Patience)); err != nil {
		return err
	}
	tail, err := io.ReadAll(io.LimitReader(m, r.o.Tail+1))
	m.drop()
	if err != nil {
		return err
	}
	if int64(len(tail)) != min(r.size, r.o.Tail) {
		return &RangeError{URL: r.name, Offset: m.offset, Reason: fmt.Sprintf("the end of the file has %d bytes", len(tail))}
	}
	r.tail, r.ver = tail, m.ver
	if !r.ver.tells() {
		r.o.tell(fmt.Sprintf("%s has neither ETag nor Last-Modified: only digests can tell that it does not change meanwhile", r.name))
	}
	return nil
}

// remote has everything but its part and its context.
func (r *Ranges) remote() *remote {
	return &remote{o: r.o, url: r.url, name: r.name, size: func(int64) {}, count: func(n int) { r.received.Add(int64(n)) }}
}

// Size is the length of the file in bytes.
func (r *Ranges) Size() int64 { return r.size }

// Name is for people: a path, or the URL without its password.
func (r *Ranges) Name() string { return r.name }

// Bytes is how many bytes have been received. It may be called at any time.
func (r *Ranges) Bytes() int64 { return r.received.Load() }

// ReadRange fills p with the bytes from off on, or fails. It may be called from
// several goroutines; requests beyond a fixed number wait for others to end.
func (r *Ranges) ReadRange(ctx context.Context, p []byte, off int64) error {
	end := off + int64(len(p))
	if err := r.check(off, end); err != nil {
		return err
	}
	if begin := r.size - int64(len(r.tail)); end > begin && len(r.tail) > 0 {
		from := max(off, begin)
		copy(p[from-off:], r.tail[from-begin:end-begin])
		p = p[:from-off]
	}
	if len(p) == 0 {
		return nil
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return fmt.Errorf("read %s: %w", r.name, context.Cause(ctx))
	case <-r.ctx.Done():
		return fmt.Errorf("read %s: %w", r.name, context.Cause(r.ctx))
	}
	s := r.Stream(ctx, off, off+int64(len(p)))
	defer s.Close()
	if _, err := io.ReadFull(s, p); err != nil {
		return err
	}
	return nil
}

// ReaderAt is the file for those who read it as one, until ctx ends. A read is
// as in [Ranges.ReadRange]: all of it, or an error.
func (r *Ranges) ReaderAt(ctx context.Context) io.ReaderAt { return readerAt{ctx, r} }

type readerAt struct {
	ctx context.Context
	r   *Ranges
}

func (a readerAt) ReadAt(p []byte, off int64) (int, error) {
	if err := a.r.ReadRange(a.ctx, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Stream reads the bytes from off to end, in order, by one request as long as
// the connection holds. Requests begin with the first Read. How many streams
// are open at once is up to the caller. An error comes from Read.
func (r *Ranges) Stream(ctx context.Context, off, end int64) io.ReadCloser {
	if err := r.check(off, end); err != nil {
		return failed{err}
	}
	begin := r.size - int64(len(r.tail))
	switch {
	case r.file != nil:
		return &section{local{ctx: ctx, r: io.NewSectionReader(r.file, off, end-off), name: r.name}, r, end - off}
	case off >= begin:
		return io.NopCloser(bytes.NewReader(r.tail[off-begin : end-begin]))
	}
	m := r.remote()
	m.part, m.offset, m.end, m.ver, m.known = true, off, end, r.ver, true
	m.done = off == end
	m.ctx, m.cancel = context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.ctx, func() { m.cancel(context.Cause(r.ctx)) })
	return &span{guarded{r: m}, stop}
}

func (r *Ranges) check(off, end int64) error {
	if off < 0 || end < off || end > r.size {
		return fmt.Errorf("read %s from %d to %d: not within its %d bytes", r.name, off, end, r.size)
	}
	return nil
}

// Close ends all readings.
func (r *Ranges) Close() error {
	r.cancel(errClosed)
	if r.file != nil {
		return r.file.Close()
	}
	return nil
}

// span is a part of a remote file being read.
type span struct {
	guarded
	stop func() bool
}

func (s *span) Close() error {
	s.stop()
	return s.guarded.Close()
}

// section is a part of a local file being read.
type section struct {
	local
	r    *Ranges
	left int64
}

func (s *section) Read(p []byte) (int, error) {
	n, err := s.local.Read(p)
	s.r.received.Add(int64(n))
	s.left -= int64(n)
	if err == io.EOF && s.left > 0 {
		err = fmt.Errorf("read %s: it has become shorter: %w", s.name, io.ErrUnexpectedEOF)
	}
	return n, err
}

// failed is a stream that could not be begun.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
func (f failed) Close() error             { return nil }
