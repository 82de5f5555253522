package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// PutResult is what a successful Put sent.
type PutResult struct {
	Bytes    int64
	SHA256   string // hex
	Location string // of the new file where the server tells
}

const maxRedirects = 5

// Put sends body to url. As long as the server has taken nothing of body, failures that
// may pass are tried again within o.Patience; later ones are final. An error
// of body itself is returned as it is, wrapped.
func Put(ctx context.Context, url string, body io.Reader, o Options) (PutResult, error) {
	o = o.withDefaults()
	// Redirects are followed here, before the body has begun; http.Client
	// would want to send it twice.
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := &put{o: o, client: &client, name: redacted(url), body: body, sum: sha256.New()}
	left := newPatience(o.Patience)
	for redirects := 0; ; {
		location, wait, err := p.try(ctx, url)
		var again *retryable
		switch {
		case err == nil && location != "":
			if redirects++; redirects > maxRedirects {
				return PutResult{}, fmt.Errorf("send %s: more than %d redirects", p.name, maxRedirects)
			}
			url = location
			continue
		case err == nil:
			return p.result, nil
		case ctx.Err() != nil:
			return PutResult{}, fmt.Errorf("send %s: %w", p.name, context.Cause(ctx))
		case !errors.As(err, &again) || p.begun.Load():
			return PutResult{}, err
		}
		pause, ok := left.pause(wait)
		if !ok {
			return PutResult{}, &StalledError{Method: http.MethodPut, URL: p.name, Size: -1, Waited: left.waited(), Err: again.err}
		}
		o.tell(fmt.Sprintf("%s: %v; next try in %v", p.name, again.err, pause.Round(100*time.Millisecond)))
		if err := sleep(ctx, pause); err != nil {
			return PutResult{}, fmt.Errorf("send %s: %w", p.name, err)
		}
	}
}

// put is one upload over its tries.
type put struct {
	o      Options
	client *http.Client
	name   string
	body   io.Reader
	begun  atomic.Bool // something of body was read
	sum    hash.Hash
	sent   int64
	result PutResult
}

// try makes one request. It returns the place to go to instead, or how long
// the server wants to be left alone with a *retryable error.
func (p *put) try(ctx context.Context, url string) (location string, wait time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	timer := time.AfterFunc(p.o.Patience, func() { cancel(errSilent) })
	defer timer.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, nil)
	if err != nil {
		return "", 0, fmt.Errorf("send %s: %w", p.name, err)
	}
	b := &putBody{p: p, ctx: ctx, timer: timer, closed: make(chan struct{})}
	req.Body = b
	req.ContentLength = -1
	req.Header.Set("Expect", "100-continue")
	req.Header.Set("Content-Type", "application/octet-stream")
	b.trailer = http.Header{"Repr-Digest": nil}
	req.Trailer = b.trailer

	resp, err := p.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		location, wait, err = p.answer(resp, b)
	}
	cancel(context.Canceled)
	if berr := b.finish(); berr != nil {
		return "", 0, fmt.Errorf("send %s: stopped after %d bytes, nothing was published: %w", p.name, p.sent, berr)
	}
	if err == nil {
		return location, wait, nil
	}
	var s *StatusError
	if errors.As(err, &s) {
		return "", wait, err
	}
	if b.silent.Load() || errors.Is(err, errSilent) || context.Cause(ctx) == errSilent {
		return "", 0, &StalledError{Method: http.MethodPut, URL: p.name, Offset: p.sent, Size: -1, Waited: p.o.Patience, Err: errSilent}
	}
	if final := fatal(err); final != nil {
		return "", 0, fmt.Errorf("send %s: %w", p.name, final)
	}
	err = cause(err)
	if p.begun.Load() {
		return "", 0, fmt.Errorf("send %s: connection lost after %d bytes, nothing was published: %w", p.name, p.sent, err)
	}
	return "", 0, &retryable{err}
}

// answer reads the server's verdict.
func (p *put) answer(resp *http.Response, b *putBody) (location string, wait time.Duration, err error) {
	code := resp.StatusCode
	switch {
	case code == http.StatusTemporaryRedirect || code == http.StatusPermanentRedirect:
		if u, lerr := resp.Location(); lerr == nil && !p.begun.Load() {
			return u.String(), 0, nil
		}
	case code == http.StatusOK || code == http.StatusCreated || code == http.StatusNoContent:
		if !b.whole.Load() {
			return "", 0, fmt.Errorf("send %s: server answers %d before it has the whole file: nothing can be told of it", p.name, code)
		}
		b.finish()
		p.result = PutResult{Bytes: p.sent, SHA256: hex.EncodeToString(p.sum.Sum(nil)), Location: resp.Header.Get("Location")}
		return "", 0, nil
	case passing(code):
		return "", retryAfter(resp.Header, time.Now()), &retryable{statusError(resp, p.name)}
	}
	return "", 0, statusError(resp, p.name)
}

// putBody hands the body to the transport, hashes it, and sets the trailer at
// its end.
type putBody struct {
	p       *put
	ctx     context.Context
	timer   *time.Timer
	trailer http.Header
	whole   atomic.Bool
	silent  atomic.Bool
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex // held by Read
	over bool       // no Read may touch the body any more
	err  error      // of the body
}

func (b *putBody) Read(buf []byte) (int, error) {
	// Whatever the network had to take it has taken: only its next wait counts.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errClosed
	}
	b.timer.Stop()
	if cause := context.Cause(b.ctx); cause != nil {
		b.silent.Store(cause == errSilent)
		return 0, cause
	}
	b.p.begun.Store(true)
	n, err := b.p.body.Read(buf)
	b.p.sum.Write(buf[:n])
	b.p.sent += int64(n)
	switch {
	case err == io.EOF:
		b.trailer.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(b.p.sum.Sum(nil))+":")
		b.whole.Store(true)
	case err != nil:
		b.err = err
	}
	b.timer.Reset(b.p.o.Patience)
	return n, err
}

// finish waits until the transport is done with the body and returns the body's
// own error. The transport may close it while another of its goroutines still
// reads.
func (b *putBody) finish() error {
	<-b.closed
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	return b.err
}

func (b *putBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}
