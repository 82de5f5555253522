package transfer

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Pauses between tries grow from the first to the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// patience runs from the moment bytes are wanted until one comes.
type patience struct {
	limit time.Duration
	start time.Time
	next  time.Duration
	last  error
}

func newPatience(limit time.Duration) *patience {
	return &patience{limit: limit, start: time.Now(), next: firstPause}
}

func (p *patience) waited() time.Duration { return time.Since(p.start) }

// remaining is never below a millisecond, so that it can be a time limit.
func (p *patience) remaining() time.Duration {
	return max(p.limit-p.waited(), time.Millisecond)
}

// pause returns how long to wait before the next try: at least what the
// server asked for, otherwise longer each time and jittered by half, so that
// a hundred nodes don't come back at once. ok is false when patience ends first.
func (p *patience) pause(asked time.Duration) (d time.Duration, ok bool) {
	d = p.next/2 + rand.N(p.next)
	p.next = min(2*p.next, longestPause)
	d = max(d, asked)
	left := p.limit - p.waited()
	if asked > left || left <= 0 {
		return 0, false
	}
	return min(d, left), true
}

// retryable wraps an error that may pass.
type retryable struct{ err error }

func (e *retryable) Error() string { return e.err.Error() }
func (e *retryable) Unwrap() error { return e.err }

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passing reports whether a status may be another one soon.
func passing(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter decodes Retry-After: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// statusError makes a StatusError of an answer, with the start of its text.
func statusError(resp *http.Response, name string) *StatusError {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // whatever of it comes
	e := &StatusError{Method: resp.Request.Method, URL: name, Code: resp.StatusCode}
	if t := resp.Header.Get("Content-Type"); t == "" || strings.HasPrefix(t, "text/plain") || strings.HasPrefix(t, "application/json") {
		e.Body = printable(string(text))
	}
	return e
}

// printable makes one line of what a server says.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
