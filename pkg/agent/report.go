package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// held bounds the events that wait for the head.
const held = 512

// reporter passes events on to the head in batches, about one a second. It
// keeps them while the head is away; of progress only the latest of each step.
type reporter struct {
	post  func(context.Context, []api.Event) error
	log   *slog.Logger
	pause time.Duration
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu      sync.Mutex
	job     string
	named   bool        // a job has been taken: events may go out
	waiting []api.Event // not yet at the head
	posting bool
	wake    chan struct{} // something waits
	idle    chan struct{} // closed and replaced when nothing waits any more
}

func newReporter(post func(context.Context, []api.Event) error, log *slog.Logger, pause time.Duration) *reporter {
	ctx, stop := context.WithCancel(context.Background())
	r := &reporter{post: post, log: log, pause: pause, stop: stop, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	r.done.Go(func() { r.run(ctx) })
	return r
}

// about names the job that events belong to from now on. What happened before
// the first job belongs to it too: the network came up for its sake.
func (r *reporter) about(job string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.named {
		for i := range r.waiting {
			r.waiting[i].Job = job
		}
	}
	r.job, r.named = job, true
	r.stir()
}

func (r *reporter) add(e api.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Job = r.job
	if n := len(r.waiting); n > 0 && e.State == api.Progress {
		for i := n - 1; i >= 0 && r.waiting[i].State == api.Progress; i-- {
			if r.waiting[i].Step == e.Step && r.waiting[i].Job == e.Job {
				r.waiting[i] = e
				return
			}
		}
	}
	if len(r.waiting) >= held {
		r.waiting = r.waiting[1:]
	}
	r.waiting = append(r.waiting, e)
	r.stir()
}

func (r *reporter) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run posts what waits, at most once a pause.
func (r *reporter) run(ctx context.Context) {
	for pause := r.pause; ; {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		batch := r.take()
		if len(batch) == 0 {
			continue
		}
		err := r.post(ctx, batch)
		r.settle(batch, err)
		if err != nil {
			r.log.Info("events not at the head yet", "err", err)
			pause = min(2*pause, 15*time.Second)
		} else {
			pause = r.pause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) take() []api.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.named {
		return nil
	}
	batch := r.waiting
	r.waiting, r.posting = nil, len(batch) > 0
	return batch
}

// settle puts a batch that did not arrive back, unless it never will.
func (r *reporter) settle(batch []api.Event, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posting = false
	if err != nil && !permanent(err) {
		all := append(batch, r.waiting...)
		r.waiting = all[max(0, len(all)-held):]
	}
	if len(r.waiting) > 0 {
		r.stir()
		return
	}
	close(r.idle)
	r.idle = make(chan struct{})
}

// flush waits until the head has everything, or ctx ends.
func (r *reporter) flush(ctx context.Context) {
	for {
		r.mu.Lock()
		clear, idle := len(r.waiting) == 0 && !r.posting, r.idle
		r.mu.Unlock()
		if clear {
			return
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) close() {
	r.stop()
	r.done.Wait()
}
