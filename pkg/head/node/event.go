package node

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

const (
	maxEvents  = 500                    // kept per job
	maxMessage = 4 << 10                // bytes kept of an event's message
	maxWord    = 64                     // bytes of a step and its state: no agent sends longer ones
	writeDelay = 500 * time.Millisecond // events that come within are written at once
)

// Record adds what a node reports about its job. Events of other jobs are
// dropped: they are late words about something that is over.
func (r *Registry) Record(id string, events []api.Event, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.find(id)
	if n == nil {
		return fmt.Errorf("node %s: %w", id, ErrUnknown)
	}
	n.Seen = now.UTC()
	for _, e := range events {
		if n.Job == nil || e.Job != "" && e.Job != n.Job.ID || len(e.Step)+len(e.State) > maxWord {
			continue
		}
		if len(e.Message) > maxMessage {
			e.Message = e.Message[:maxMessage]
		}
		level := n.level(e)
		n.add(e)
		r.tell(n, e, level)
	}
	r.soon(n)
	return nil
}

// add appends an event; of a step's progress only the last is kept.
func (n *record) add(e api.Event) {
	if e.State == api.Progress {
		n.Events = slices.DeleteFunc(n.Events, func(old api.Event) bool {
			return old.Step == e.Step && old.State == api.Progress
		})
	}
	if len(n.Events) >= maxEvents { // a node that talks too much: its beginning and end tell most
		n.Events = slices.Delete(n.Events, maxEvents/2, maxEvents/2+1)
	}
	n.Events = append(n.Events, e)
}

// level is how loud the log tells of an event. Warnings are told of as such once
// for each job, though an agent that starts again says them again.
func (n *record) level(e api.Event) slog.Level {
	switch {
	case !Warns(e):
		return slog.LevelInfo
	case slices.ContainsFunc(n.Events, func(old api.Event) bool { return Warns(old) && Topic(old) == Topic(e) }):
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Warns tells whether an event is a note that somebody should look into.
func Warns(e api.Event) bool { return e.State == api.Note && e.Warn }

// Topic is what a message is about: what it says before reasons, details and
// numbers.
func Topic(e api.Event) string {
	words, _, _ := strings.Cut(e.Message, ": ")
	words, _, _ = strings.Cut(words, " (")
	return strings.TrimSpace(strings.TrimLeft(words, "0123456789"))
}

// tell logs an event as one line; progress is left to those who ask for it.
func (r *Registry) tell(n *record, e api.Event, level slog.Level) {
	if e.State == api.Progress {
		return
	}
	words := []any{"node", n.ID, "step", e.Step, "state", e.State}
	if e.Bytes > 0 {
		words = append(words, "bytes", e.Bytes)
	}
	if e.Seconds > 0 {
		words = append(words, "seconds", milli(e.Seconds))
	}
	if e.Uptime > 0 {
		words = append(words, "uptime", milli(e.Uptime))
	}
	if e.Message != "" {
		words = append(words, "message", e.Message)
	}
	r.log.Log(context.Background(), level, "node reports", words...)
}

func milli(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// soon has a record written by Run. The caller holds the lock.
func (r *Registry) soon(n *record) {
	n.dirty = true
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes reported events to disk, a little later than they come so that
// many make one write, until ctx ends; the last ones then are written at once.
func (r *Registry) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return r.Flush()
		case <-r.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(writeDelay):
		}
		if err := r.Flush(); err != nil {
			r.log.Error("node record not saved", "error", err)
		}
	}
}

// Flush writes every record that is not on disk yet.
func (r *Registry) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.dirty {
			if err := r.save(n); err != nil {
				return err
			}
		}
	}
	return nil
}
