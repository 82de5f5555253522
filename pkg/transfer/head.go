package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Head gives the headers that an http or https URL is answered with, without its
// content. It is as patient as [Open] is until the first byte; an answer other
// than 200 is a *StatusError.
func Head(ctx context.Context, raw string, o Options) (http.Header, error) {
	if o.Client == nil {
		o.Client = NewClient()
		defer o.Client.CloseIdleConnections()
	}
	o = o.withDefaults()
	left, name := newPatience(o.Patience), redacted(raw)
	for {
		h, wait, err := head(ctx, raw, o, left)
		if err == nil {
			return h, nil
		}
		if c := context.Cause(ctx); c != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, c)
		}
		var again *retryable
		if !errors.As(err, &again) {
			return nil, err
		}
		left.last = again.err
		pause, ok := left.pause(wait)
		if !ok {
			return nil, &StalledError{Method: http.MethodHead, URL: name, Size: -1, Waited: left.waited(), Err: left.last}
		}
		o.tell(fmt.Sprintf("%s: %v; next try in %v", name, again.err, pause.Round(100*time.Millisecond)))
		if err := sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, err)
		}
	}
}

// head asks once. An error that may pass is a *retryable; wait is what the
// server wants us to wait.
func head(ctx context.Context, raw string, o Options, left *patience) (h http.Header, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, min(o.Stall, left.remaining()), errSilent)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, raw, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("fetch %s: %w", redacted(raw), err)
	}
	resp, err := o.Client.Do(req)
	switch {
	case err == nil:
	case context.Cause(ctx) == errSilent:
		return nil, 0, &retryable{errSilent}
	case fatal(err) != nil:
		return nil, 0, fmt.Errorf("fetch %s: %w", redacted(raw), fatal(err))
	default:
		return nil, 0, &retryable{cause(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return resp.Header, 0, nil
	}
	err = statusError(resp, redacted(raw))
	if passing(resp.StatusCode) {
		return nil, retryAfter(resp.Header, time.Now()), &retryable{err}
	}
	return nil, 0, err
}
