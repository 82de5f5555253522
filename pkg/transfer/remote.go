package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// remote reads a URL over as many connections as it takes.
type remote struct {
	o      Options
	url    string // as given
	name   string // as shown
	size   func(int64)
	ctx    context.Context
	cancel context.CancelCauseFunc

	offset int64
	ver    version // of the file, from the first answer
	known  bool    // ver is set
	conn   *conn   // nil between connections
	hasty  bool    // the last connection brought so little that the next one should wait
	done   bool
	err    error // once final
	noted  bool  // a resume without validators was mentioned
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
		n, err := r.conn.read(p, min(r.o.Stall, left.remaining()))
		r.offset += int64(n)
		r.conn.got += int64(n)
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
	if err == io.EOF && (r.ver.size < 0 || r.offset == r.ver.size) {
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
	if r.offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", r.offset))
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

// accept checks an answer. skip is how many bytes of its body are known already.
func (r *remote) accept(resp *http.Response) (skip int64, wait time.Duration, err error) {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		now := versionOf(resp.Header, resp.ContentLength)
		if !r.known {
			r.ver, r.known = now, true
			r.size(now.size)
			return 0, 0, nil
		}
		if !r.ver.same(now) {
			return 0, 0, &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(), Now: now.String()}
		}
		if r.offset > 0 && !r.ver.tells() {
			return 0, 0, &RangeError{URL: r.name, Offset: r.offset,
				Reason: "the server sends the file from its start again, and nothing tells that it is the same file"}
		}
		if r.offset > 0 {
			r.o.tell(fmt.Sprintf("%s ignores range requests: reading the first %s again", r.name, units.Bytes(r.offset)))
		}
		return r.offset, 0, nil

	case code == http.StatusPartialContent:
		return 0, 0, r.acceptPart(resp)

	case code == http.StatusRequestedRangeNotSatisfiable && r.ver.size < 0 &&
		resp.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", r.offset):
		r.done = true // the connection broke between the last byte and the word that it was the last
		r.size(r.offset)
		return 0, 0, io.EOF

	case code == http.StatusPreconditionFailed, code == http.StatusRequestedRangeNotSatisfiable && r.known:
		return 0, 0, &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(),
			Now: fmt.Sprintf("answer %d %s", code, resp.Header.Get("Content-Range"))}

	case passing(code):
		err := statusError(resp, r.name)
		return 0, retryAfter(resp.Header, time.Now()), &retryable{err}
	}
	return 0, 0, statusError(resp, r.name)
}

// acceptPart checks that a 206 answer goes on exactly where we are, in the
// file we know.
func (r *remote) acceptPart(resp *http.Response) error {
	bad := func(format string, args ...any) error {
		return &RangeError{URL: r.name, Offset: r.offset, Reason: fmt.Sprintf(format, args...)}
	}
	if r.offset == 0 {
		return bad("the server sends a part of the file, the whole was asked for")
	}
	if t := resp.Header.Get("Content-Type"); strings.HasPrefix(t, "multipart/") {
		return bad("the server answers with %s", t)
	}
	first, last, total, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return bad("%v", err)
	}
	now := versionOf(resp.Header, total)
	if !r.ver.same(now) {
		return &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(), Now: now.String()}
	}
	switch {
	case first != r.offset:
		return bad("the server sends bytes from %d, %d was asked for", first, r.offset)
	case resp.ContentLength >= 0 && resp.ContentLength != last-first+1:
		return bad("the server sends %d bytes and calls them %s", resp.ContentLength, resp.Header.Get("Content-Range"))
	}
	if r.ver.size < 0 && total >= 0 {
		r.ver.size = total
		r.size(total)
	}
	if !r.ver.tells() && !r.noted {
		r.noted = true
		r.o.tell(fmt.Sprintf("%s has neither ETag nor Last-Modified: only a sha256 can tell that it did not change meanwhile", r.name))
	}
	r.o.tell(fmt.Sprintf("transfer goes on at %s", units.Bytes(r.offset)), "url", r.name)
	return nil
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
