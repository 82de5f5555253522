package imaging

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// report tells a Sink of the steps of one job. It is safe for concurrent use,
// and hands the sink one event at a time.
type report struct {
	mu      sync.Mutex
	sink    api.Sink
	started map[api.Step]time.Time
}

func newReport(s api.Sink) *report {
	if s == nil {
		s = api.Discard
	}
	return &report{sink: s, started: map[api.Step]time.Time{}}
}

func (r *report) send(e api.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Time = time.Now()
	switch e.State {
	case api.Started:
		r.started[e.Step] = e.Time
	case api.Note:
	default:
		start, ok := r.started[e.Step]
		if !ok {
			return // ended already
		}
		e.Seconds = e.Time.Sub(start).Seconds()
		if e.State != api.Progress {
			delete(r.started, e.Step)
		}
	}
	r.sink(e)
}

func (r *report) start(s api.Step) { r.send(api.Event{Step: s, State: api.Started}) }
func (r *report) note(s api.Step, message string) {
	r.send(api.Event{Step: s, State: api.Note, Message: message})
}

// warn is a note of what an operator ought to know of, too.
func (r *report) warn(s api.Step, message string) {
	r.send(api.Event{Step: s, State: api.Note, Message: message, Warn: true})
}

func (r *report) progress(s api.Step, n, of int64) {
	r.send(api.Event{Step: s, State: api.Progress, Bytes: n, Total: of})
}

// done ends the step well; n of bytes is 0 where a step does not count any.
func (r *report) done(s api.Step, n int64, message string) {
	r.send(api.Event{Step: s, State: api.Done, Bytes: n, Message: message})
}

// fail ends the steps that are under way.
func (r *report) fail(err error) {
	for _, s := range []api.Step{api.PlanStep, api.Fetch, api.Write, api.Verify, api.Commit} {
		r.send(api.Event{Step: s, State: api.Failed, Message: err.Error()})
	}
}

// every calls f about twice a second until the function it returns is called.
func every(f func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				f()
			}
		}
	}()
	return func() { close(quit); <-done }
}

// log is a logger whose lines also become notes of a step.
func (r *report) log(s api.Step, to *slog.Logger) *slog.Logger {
	return slog.New(noteHandler{to.Handler(), r, s})
}

type noteHandler struct {
	slog.Handler
	report *report
	step   api.Step
}

func (h noteHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h noteHandler) Handle(ctx context.Context, line slog.Record) error {
	text := line.Message
	line.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	switch {
	case line.Level >= slog.LevelWarn:
		h.report.warn(h.step, text)
	case line.Level >= slog.LevelInfo:
		h.report.note(h.step, text)
	}
	if h.Handler.Enabled(ctx, line.Level) {
		return h.Handler.Handle(ctx, line)
	}
	return nil
}
