package burnin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// silence is how long a head may send nothing, or take nothing.
const silence = 30 * time.Second

// network sends streams to the head and has the head send some, and compares what
// arrives.
func (r *run) network(ctx context.Context, t *trial) ([]finding, string) {
	f := finding{id: api.NetworkTest}
	began := time.Now()
	before := r.cables()
	w := &traffic{run: r, trial: t, faults: faults{tell: func(s string) { r.warn(t.step, s) }}}
	f.err = w.all(ctx)
	f.took, f.passes = time.Since(began), w.rounds
	f.bytes = w.down + w.up
	f.err = errors.Join(f.err, w.faults.verdict("transfers failed"))
	if words := grown(before, r.cables()); words != "" {
		f.err = errors.Join(f.err, fmt.Errorf("interfaces counted %s", words))
	}
	if f.bytes == 0 && f.err == nil && ctx.Err() == nil {
		f.err = fmt.Errorf("nothing came from %s in %v", r.Head, units.Duration(f.took))
	}
	return []finding{f}, fmt.Sprintf("%s from the head at %s, %s to it at %s",
		units.Bytes(w.down), units.Rate(w.down, w.downTook), units.Bytes(w.up), units.Rate(w.up, w.upTook))
}

type traffic struct {
	*run
	*trial
	faults           faults
	rounds           int
	down, up         int64 // bytes that arrived right
	downTook, upTook time.Duration
}

// errBusy says that the head has enough to do.
var errBusy = errors.New("the head sends and takes as many streams as it wants to")

// all is one stream after the other, each as long as takes a few seconds.
func (w *traffic) all(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, w.until)
	defer cancel()
	for n := int64(4 << 20); w.more(w.rounds) && ctx.Err() == nil && w.faults.count() < enough; {
		began := time.Now()
		err := w.round(ctx, n)
		var status *statusError
		switch {
		case ctx.Err() != nil: // so it ends
			return nil
		case errors.Is(err, errBusy):
		case errors.As(err, &status):
			return err // it will say the same again
		case err != nil:
			w.faults.add(func() string { return err.Error() })
		default:
			w.rounds++
			if took := time.Since(began); took < 2*time.Second {
				n = min(2*n, MaxStream)
			} else if took > 8*time.Second {
				n = max(n/2, 1<<20)
			}
			continue
		}
		pause := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	return nil
}

// round is one stream from the head and one to it.
func (w *traffic) round(ctx context.Context, n int64) error {
	seed := mix(w.Seed + uint64(w.rounds))
	began := time.Now()
	err := w.request(ctx, http.MethodGet, seed, n, nil, func(body io.Reader) error {
		right, err := Compare(&counting{body, &w.meter}, seed, n)
		w.down += right
		return err
	})
	w.downTook += time.Since(began)
	if err != nil {
		return fmt.Errorf("from the head: %w", err)
	}
	began = time.Now()
	send := &counting{io.LimitReader(Stream(^seed), n), &w.meter}
	err = w.request(ctx, http.MethodPost, ^seed, n, send, func(body io.Reader) error {
		w.up += n
		return nil
	})
	w.upTook += time.Since(began)
	if err != nil {
		return fmt.Errorf("to the head: %w", err)
	}
	return nil
}

// statusError is a refusal that does not change.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	if e.code == http.StatusNotFound {
		return "the head has no streams for burn-ins (an older orbitd?)"
	}
	return fmt.Sprintf("the head refuses: %s", e.text)
}

// request asks the head for one stream, or sends it one.
func (w *traffic) request(ctx context.Context, method string, seed uint64, n int64, body io.Reader, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing moves for %v", silence)) })
	defer quiet.Stop()
	if body != nil {
		body = &moving{body, quiet}
	}
	url := fmt.Sprintf("%s%s?seed=%x&bytes=%d", w.Head, StreamPath, seed, n)
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.ContentLength = n
	}
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		return because(ctx, read(&moving{resp.Body, quiet}))
	case resp.StatusCode == http.StatusServiceUnavailable:
		return errBusy
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	words := strings.TrimSpace(string(text))
	if resp.StatusCode == http.StatusUnprocessableEntity { // it did not get what was sent
		return errors.New(words)
	}
	return &statusError{resp.StatusCode, words}
}

// because is the reason for which a request was given up, if that is why it failed.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// moving puts off the end of patience.
type moving struct {
	io.Reader
	quiet *time.Timer
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if n > 0 {
		m.quiet.Reset(silence)
	}
	return n, err
}

type counting struct {
	io.Reader
	meter *meter
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.meter.add(n)
	return n, err
}

// cables counts what goes wrong between interfaces with hardware and their switches.
func (r *run) cables() map[string]int64 {
	all := map[string]int64{}
	for _, device := range r.glob("/sys/class/net/*/device") {
		dir := path.Dir(device)
		name := path.Base(dir)
		all["damaged frames on "+name] = r.number(dir + "/statistics/rx_crc_errors")
		all["times no carrier on "+name] = r.number(dir + "/carrier_down_count")
	}
	return all
}
