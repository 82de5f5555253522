package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// PutResult is what a successful Put sent.
type PutResult struct {
	Bytes    int64
	SHA256   string // hex
	Location string // of the new file where the server tells
}

const maxRedirects = 5

var (
	errStopped = errors.New("request ended")
	errEarly   = errors.New("before it has the whole file: nothing can be told of it")
)

// Put sends body to url. Failures that may pass are tried again within
// o.Patience: as long as the server has taken nothing of body, and after that
// if the server knows uploads that can be resumed. Others are final. An error
// of body itself is returned as it is, wrapped.
func Put(ctx context.Context, url string, body io.Reader, o Options) (PutResult, error) {
	o = o.withDefaults()
	// Redirects are followed here, before the body has begun; http.Client
	// would want to send it twice.
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := &put{o: o, client: &client, name: redacted(url), url: url, body: body, sum: sha256.New(), wake: make(chan struct{}, 1)}
	err := p.run(ctx)
	if err != nil {
		p.abandon(ctx, err)
		return PutResult{}, err
	}
	p.result.Bytes, p.result.SHA256 = p.sent, hex.EncodeToString(p.sum.Sum(nil))
	return p.result, nil
}

// put is one upload over its tries.
type put struct {
	o      Options
	client *http.Client
	name   string // as shown
	url    string // where to PUT
	body   io.Reader
	begun  atomic.Bool // something of body was read
	ended  bool        // all of it was
	sum    hash.Hash
	sent   int64 // bytes read of body, and sent at least once
	at     int64 // where this try is
	tail   tail  // of what was sent
	result PutResult
	place  place
	wake   chan struct{} // place has changed
}

func (p *put) run(ctx context.Context) error {
	left := newPatience(p.o.Patience)
	var before int64 // tells progress
	for redirects := 0; ; {
		location, wait, err := p.try(ctx)
		var again *retryable
		switch {
		case err == nil && location != "":
			if redirects++; redirects > maxRedirects {
				return fmt.Errorf("send %s: more than %d redirects", p.name, maxRedirects)
			}
			p.url = location
			continue
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("send %s: %w", p.name, context.Cause(ctx))
		case !errors.As(err, &again) || p.begun.Load() && p.place.url() == "":
			return err
		}
		stored, _ := p.place.stored()
		if now := stored + p.sent; now > before {
			left, before = newPatience(p.o.Patience), now
		}
		left.last = again.err
		pause, ok := left.pause(wait)
		if !ok {
			return &StalledError{Method: http.MethodPut, URL: p.name, Offset: stored, Size: -1, Waited: left.waited(), Err: again.err}
		}
		p.o.tell(fmt.Sprintf("%s: %v; next try in %v", p.name, again.err, pause.Round(100*time.Millisecond)))
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("send %s: %w", p.name, err)
		}
	}
}

// try sends all there is, from the beginning or from where the server wants it.
// It returns the place to go to instead, or how long the server wants to be
// left alone with a *retryable error.
func (p *put) try(ctx context.Context) (location string, wait time.Duration, err error) {
	method, target := http.MethodPut, p.url
	if place := p.place.url(); place != "" {
		done, wait, err := p.ask(ctx, place)
		if done || err != nil {
			return "", wait, err
		}
		method, target = http.MethodPatch, place
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	timer := time.AfterFunc(p.o.Patience, func() { cancel(errSilent) })
	defer timer.Stop()

	b := &putBody{p: p, ctx: ctx, timer: timer, closed: make(chan struct{}), trailer: http.Header{"Repr-Digest": nil}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if b.whole.Load() {
				timer.Reset(p.o.Patience) // the server checks what it has
			}
			p.heard(target, code, http.Header(h))
			return nil
		},
	}), method, target, nil)
	if err != nil {
		return "", 0, fmt.Errorf("send %s: %w", p.name, err)
	}
	req.Body, req.ContentLength, req.Trailer = b, -1, b.trailer
	req.Header.Set("Expect", "100-continue")
	p.mark(req, method == http.MethodPatch)

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
	if errors.As(err, new(*StatusError)) || errors.Is(err, errEarly) {
		return "", wait, err
	}
	silent := b.silent.Load() || errors.Is(err, errSilent) || context.Cause(ctx) == errSilent
	switch final := fatal(err); {
	case silent && p.place.url() != "":
		return "", 0, &retryable{errSilent}
	case silent:
		return "", 0, &StalledError{Method: http.MethodPut, URL: p.name, Offset: p.sent, Size: -1, Waited: p.o.Patience, Err: errSilent}
	case final != nil:
		return "", 0, fmt.Errorf("send %s: %w", p.name, final)
	case p.place.url() != "":
		return "", 0, &retryable{fmt.Errorf("connection lost at %s: %w", units.Bytes(p.at), cause(err))}
	case p.begun.Load():
		return "", 0, fmt.Errorf("send %s: connection lost after %d bytes, nothing was published: %w", p.name, p.sent, cause(err))
	}
	return "", 0, &retryable{cause(err)}
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
			return "", 0, fmt.Errorf("send %s: server answers %d %w", p.name, code, errEarly)
		}
		b.finish()
		p.result.Location = resp.Header.Get("Location")
		return "", 0, nil
	case resp.Header.Get(uploadComplete) == "?1": // it has all and does not like it
	case passing(code), code == http.StatusConflict && p.place.url() != "":
		return "", retryAfter(resp.Header, time.Now()), &retryable{statusError(resp, p.name)}
	}
	return "", 0, statusError(resp, p.name)
}

// limit is how long the network may do nothing.
func (p *put) limit(whole bool) time.Duration {
	if p.place.url() != "" && !whole {
		return p.o.Stall
	}
	return p.o.Patience
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
	n, err := b.p.next(b.ctx, buf, b.timer)
	switch {
	case err == io.EOF:
		b.trailer.Set("Repr-Digest", b.p.digest())
		b.whole.Store(true)
	case err == errStopped:
		cause := context.Cause(b.ctx)
		b.silent.Store(cause == errSilent)
		return 0, cause
	case err != nil:
		b.err = err
	}
	b.timer.Reset(b.p.limit(err == io.EOF))
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
