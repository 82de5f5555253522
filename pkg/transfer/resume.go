package transfer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// Headers of draft-ietf-httpbis-resumable-upload-12.
const (
	uploadComplete = "Upload-Complete"
	uploadOffset   = "Upload-Offset"
	uploadInterop  = "Upload-Draft-Interop-Version"
	interop        = "8"
)

// place is where an interrupted upload can go on, and what has arrived there.
// It changes while a request is under way.
type place struct {
	mu    sync.Mutex
	where string // "" for nowhere
	bytes int64
	acks  bool // the server tells, during this request, how much has arrived
}

func (p *place) url() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.where
}

func (p *place) stored() (bytes int64, acks bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes, p.acks
}

// mark makes a request one that can be resumed, or one that resumes. Servers
// that do not know what that is take no notice.
func (p *put) mark(req *http.Request, resuming bool) {
	req.Header.Set(uploadInterop, interop)
	req.Header.Set(uploadComplete, "?1")
	req.Header.Set("Content-Type", "application/octet-stream")
	if resuming {
		req.Header.Set("Content-Type", "application/partial-upload")
		req.Header.Set(uploadOffset, strconv.FormatInt(p.at, 10))
	}
	p.place.mu.Lock()
	p.place.acks = false
	p.place.mu.Unlock()
}

// heard takes in an interim answer.
func (p *put) heard(target string, code int, h http.Header) {
	if code != 104 || h.Get(uploadInterop) != interop {
		return
	}
	p.place.mu.Lock()
	defer p.place.mu.Unlock()
	if where := h.Get("Location"); where != "" && p.place.where == "" {
		p.place.where = resolve(target, where)
	}
	if n, err := parseDigits(h.Get(uploadOffset)); err == nil && p.place.where != "" {
		p.place.bytes, p.place.acks = max(p.place.bytes, n), true
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// resolve makes an URL of a Location, "" where it leads from TLS to none. Credentials
// are kept on the same host.
func resolve(base, location string) string {
	from, err := url.Parse(base)
	if err != nil {
		return ""
	}
	to, err := from.Parse(location)
	if err != nil || !isURL(to.String()) || from.Scheme == "https" && to.Scheme != "https" {
		return ""
	}
	if to.User == nil && to.Host == from.Host && to.Scheme == from.Scheme {
		to.User = from.User
	}
	return to.String()
}

// ask learns where the server wants to go on. done tells that it has all.
func (p *put) ask(ctx context.Context, place string) (done bool, wait time.Duration, err error) {
	short, cancel := context.WithTimeoutCause(ctx, p.o.Stall, errSilent)
	defer cancel()
	resp, err := p.call(short, http.MethodHead, place)
	switch {
	case err != nil && fatal(err) != nil:
		return false, 0, fmt.Errorf("send %s: %w", p.name, fatal(err))
	case err != nil && context.Cause(short) == errSilent:
		return false, 0, &retryable{errSilent}
	case err != nil:
		return false, 0, &retryable{cause(err)}
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case passing(code):
		return false, retryAfter(resp.Header, time.Now()), &retryable{statusError(resp, p.name)}
	case code == http.StatusNotFound || code == http.StatusGone:
		return false, 0, fmt.Errorf("send %s: the server gave up the interrupted upload after %s: %w", p.name, units.Bytes(p.sent), statusError(resp, p.name))
	case code != http.StatusOK && code != http.StatusNoContent:
		return false, 0, statusError(resp, p.name)
	}
	at, err := parseDigits(resp.Header.Get(uploadOffset))
	all := resp.Header.Get(uploadComplete) == "?1"
	switch {
	case err != nil:
		return false, 0, fmt.Errorf("send %s: the server does not tell how much has arrived (%s: %q)", p.name, uploadOffset, resp.Header.Get(uploadOffset))
	case all && p.ended && at == p.sent:
		p.result.Location = resp.Header.Get("Location")
		return true, 0, nil
	case all:
		return false, 0, fmt.Errorf("send %s: the server calls %d bytes complete, %d were sent so far", p.name, at, p.sent)
	case !p.tail.has(at, p.sent):
		return false, 0, fmt.Errorf("send %s: cannot go on: the server has %d bytes, %d were sent, the last %d are kept", p.name, at, p.sent, p.tail.end-p.tail.start)
	}
	p.at = at
	p.place.mu.Lock()
	p.place.bytes = max(p.place.bytes, at)
	p.place.mu.Unlock()
	p.o.tell(fmt.Sprintf("upload goes on at %s", units.Bytes(at)), "url", p.name)
	return false, 0, nil
}

func (p *put) call(ctx context.Context, method, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(uploadInterop, interop)
	return p.client.Do(req)
}

// next reads what the server does not have yet: what was sent before and got
// lost, then more of the body. It returns errStopped where ctx ended.
func (p *put) next(ctx context.Context, buf []byte, timer *time.Timer) (int, error) {
	if ctx.Err() != nil {
		return 0, errStopped
	}
	p.begun.Store(true)
	if p.at < p.sent {
		n := p.tail.read(buf, p.at)
		p.at += int64(n)
		return n, nil
	}
	if p.ended {
		return 0, io.EOF
	}
	keep := p.place.url() != ""
	for keep {
		stored, acks := p.place.stored()
		room := tailSize - (p.sent - min(stored, p.sent))
		if !acks {
			break
		}
		if room > 0 {
			buf = buf[:min(int64(len(buf)), room)]
			break
		}
		timer.Reset(p.o.Stall)
		select {
		case <-p.wake:
			timer.Stop()
		case <-ctx.Done():
			return 0, errStopped
		}
	}
	n, err := p.body.Read(buf)
	p.sum.Write(buf[:n])
	if keep {
		p.tail.write(buf[:n], p.sent)
	}
	p.sent += int64(n)
	p.at = p.sent
	p.ended = err == io.EOF
	return n, err
}

func (p *put) digest() string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(p.sum.Sum(nil)) + ":"
}

// abandon tells the server, if it is there, that an upload will not go on.
func (p *put) abandon(ctx context.Context, why error) {
	place := p.place.url()
	if place == "" || errors.As(why, new(*StalledError)) || errors.As(why, new(*StatusError)) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if resp, err := p.call(ctx, http.MethodDelete, place); err == nil {
		resp.Body.Close()
	}
}
