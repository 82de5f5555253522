package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// remote reads a URL, or a part of what is there, over as many connections as it takes.
type remote struct {
	o      Options
	url    string // as given
	name   string // as shown
	size   func(int64)
	count  func(int) // told how many bytes came; may be nil
	ctx    context.Context
	cancel context.CancelCauseFunc

	suffix int64 // this many bytes from the end are wanted, as long as ver is not known
	part   bool  // the bytes from offset to end are wanted, and nothing but them will do
	end    int64 // only for a part

	offset int64
	ver    version // of the file, from the first answer
	known  bool    // ver is set
	conn   *conn   // nil between connections
	hasty  bool    // the last connection brought so little that the next one should wait
	done   bool
	err    error // once final
	noted  bool  // a resume without validators was mentioned
	moved  bool  // bytes of this reading have come
}

// conn is one answer of the server being read.
type conn struct {
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	ctx    context.Context
	timer  *time.Timer // cancels ctx when it fires
	got    int64       // bytes it has delivered
}

// fewBytes is what a connection must deliver for the next one to be made
// without a pause.
const fewBytes = 64 << 10

func (c *conn) close() {
	c.timer.Stop()
	c.cancel(context.Canceled)
	c.body.Close()
}

func openURL(ctx context.Context, raw string, o Options) (*Source, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("open source: %q is not a URL with a host (%v)", raw, err)
	}
	s := &Source{name: redacted(raw)}
	s.size.Store(-1)
	r := &remote{o: o, url: raw, name: s.name, size: s.size.Store}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	if err := r.connect(newPatience(o.Patience)); err != nil {
		r.cancel(err)
		return nil, err
	}
	s.body = &guarded{r: r}
	return s, nil
}

// guarded lets Close interrupt a Read in another goroutine.
type guarded struct {
	mu sync.Mutex // held by Read
	r  *remote
}

var errClosed = errors.New("closed")

func (g *guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.r.Read(p)
}

func (g *guarded) Close() error {
	g.r.cancel(errClosed)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.r.drop()
	return nil
}

func (r *remote) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	left := newPatience(r.o.Patience)
	for {
		if r.err != nil {
			return 0, r.err
		}
		if r.done {
			return 0, io.EOF
		}
		if r.conn == nil {
			if err := r.connect(left); err != nil {
				r.err = err
				return 0, err
			}
			if r.done {
				return 0, io.EOF
			}
		}
		if r.part {
			p = p[:min(int64(len(p)), r.end-r.offset)]
		}
		n, err := r.conn.read(p, min(r.o.Stall, left.remaining()))
		r.offset += int64(n)
		r.conn.got += int64(n)
		r.moved = r.moved || n > 0
		if r.count != nil {
			r.count(n)
		}
		if r.part && r.offset == r.end {
			r.drop()
			r.done = true
			return n, nil
		}
		if err != nil {
			r.ended(err, left)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// read reads from the connection, for as long as wait at most.
func (c *conn) read(p []byte, wait time.Duration) (int, error) {
	c.timer.Reset(wait)
	n, err := c.body.Read(p)
	c.timer.Stop()
	if err != nil && err != io.EOF && context.Cause(c.ctx) == errSilent {
		err = errSilent
	}
	return n, err
}

// ended notes how a connection ended: with the file, or too early.
func (r *remote) ended(err error, left *patience) {
	r.hasty = r.conn.got < fewBytes
	r.drop()
	if err == io.EOF && !r.part && (r.ver.size < 0 || r.offset == r.ver.size) {
		r.done = true
		if r.ver.size < 0 {
			r.size(r.offset)
		}
		return
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if c := context.Cause(r.ctx); c != nil {
		r.err = fmt.Errorf("fetch %s: %w", r.name, c)
		return
	}
	left.last = err
	r.o.tell(fmt.Sprintf("connection lost at %s: %v; trying to go on", units.Bytes(r.offset), err), "url", r.name)
}

func (r *remote) drop() {
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
}

// connect asks for the file from offset on until the server gives it, an
// error is final, or patience ends.
func (r *remote) connect(left *patience) error {
	if r.hasty {
		r.hasty = false
		pause, ok := left.pause(0)
		if !ok {
			return r.stalled(left)
		}
		if err := sleep(r.ctx, pause); err != nil {
			return fmt.Errorf("fetch %s: %w", r.name, err)
		}
	}
	for {
		wait, err := r.ask(left)
		if err == nil || r.done {
			return nil
		}
		if c := context.Cause(r.ctx); c != nil {
			return fmt.Errorf("fetch %s: %w", r.name, c)
		}
		var again *retryable
		if !errors.As(err, &again) {
			return err
		}
		// A try that patience cut off tells less than the one before it.
		if again.err != errSilent || left.last == nil || left.waited() < left.limit {
			left.last = again.err
		}
		pause, ok := left.pause(wait)
		if !ok {
			return r.stalled(left)
		}
		r.o.tell(fmt.Sprintf("%s: %v; next try in %v", r.name, again.err, pause.Round(100*time.Millisecond)))
		if err := sleep(r.ctx, pause); err != nil {
			return fmt.Errorf("fetch %s: %w", r.name, err)
		}
	}
}

func (r *remote) stalled(left *patience) error {
	size := int64(-1)
	if r.known {
		size = r.ver.size
	}
	return &StalledError{Method: http.MethodGet, URL: r.name, Offset: r.offset, Size: size, Waited: left.waited(), Err: left.last}
}

// ask makes one request. An error that may pass is a *retryable; wait is
// what the server wants us to wait.
func (r *remote) ask(left *patience) (wait time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	timer := time.AfterFunc(min(r.o.Stall, left.remaining()), func() { cancel(errSilent) })
	keep := false
	defer func() {
		if !keep {
			timer.Stop()
			cancel(context.Canceled)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, fmt.Errorf("fetch %s: %w", r.name, err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if span := r.span(); span != "" {
		req.Header.Set("Range", span)
		if v := r.ver.ifRange(); v != "" {
			req.Header.Set("If-Range", v)
		}
	}
	resp, err := r.o.Client.Do(req)
	if err != nil {
		if context.Cause(ctx) == errSilent {
			return 0, &retryable{errSilent}
		}
		if final := fatal(err); final != nil {
			return 0, fmt.Errorf("fetch %s: %w", r.name, final)
		}
		return 0, &retryable{cause(err)}
	}
	skip, wait, err := r.accept(resp)
	if err == nil && skip > 0 {
		err = r.skip(resp.Body, skip, timer, left)
	}
	if err != nil {
		resp.Body.Close()
		if context.Cause(ctx) == errSilent {
			err = &retryable{errSilent}
		}
		return wait, err
	}
	timer.Stop()
	keep = true
	r.conn = &conn{body: resp.Body, ctx: ctx, cancel: cancel, timer: timer}
	return 0, nil
}

// span is what to ask for, "" for all of it.
func (r *remote) span() string {
	switch {
	case r.suffix > 0 && !r.known:
		return fmt.Sprintf("bytes=-%d", r.suffix)
	case r.part:
		return fmt.Sprintf("bytes=%d-%d", r.offset, r.end-1)
	case r.offset > 0:
		return fmt.Sprintf("bytes=%d-", r.offset)
	}
	return ""
}

// skip reads past the bytes that are known already. They count as life, not
// as progress: the timer starts anew with each piece.
func (r *remote) skip(body io.Reader, n int64, timer *time.Timer, left *patience) error {
	buf := make([]byte, 256<<10)
	for n > 0 {
		m, err := body.Read(buf[:min(n, int64(len(buf)))])
		n -= int64(m)
		if err != nil && n > 0 {
			return &retryable{err}
		}
		if m > 0 {
			left.start = time.Now()
			timer.Reset(r.o.Stall)
		}
	}
	return nil
}
