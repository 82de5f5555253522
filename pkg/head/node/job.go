package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// maxStarts is how often a job is handed out: a node that starts it again and
// again without a word about its end would go on for ever.
const maxStarts = 3

// Assign gives a node a job, in place of the one it had. The job is on disk
// when Assign returns.
func (r *Registry) Assign(id string, job api.Job, now time.Time) (api.Node, error) {
	job.ID = newJobID(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.need(id)
	if n == nil {
		return api.Node{}, fmt.Errorf("assign job to %s: %w", id, ErrFull)
	}
	n.Job, n.State, n.Starts, n.Events, n.Console, n.Held = &job, api.Assigned, 0, nil, "", ""
	if err := r.save(n); err != nil {
		return api.Node{}, fmt.Errorf("assign job to %s: %w", id, err)
	}
	n.wake()
	r.log.Info("job assigned", "node", n.ID, "job", job.ID, "kind", job.Kind, "image", job.Image, "disk", job.Disk)
	return n.copy(), nil
}

// Clear takes a node's job away.
func (r *Registry) Clear(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.find(id)
	if n == nil {
		return fmt.Errorf("node %s: %w", id, ErrUnknown)
	}
	n.Job, n.State, n.Starts, n.Events, n.Console, n.Held = nil, "", 0, nil, "", ""
	r.log.Info("job cleared", "node", n.ID)
	return r.save(n)
}

// Hello records a node's first word and hands out its job, nil for none.
func (r *Registry) Hello(id string, h api.Hello, now time.Time) *api.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.need(id)
	if n == nil {
		r.log.Warn("node not known, and not recorded", "node", id, "address", h.Address, "error", ErrFull)
		return nil
	}
	clip(&h)
	n.Hello, n.Up = &h, now.UTC()
	r.log.Info("node is up", "node", n.ID, "address", h.Address, "product", h.Product, "firmware", h.Firmware,
		"disks", len(h.Disks), "uptime", milli(h.Uptime))
	job := r.handOut(n)
	r.keep(n, now)
	return job
}

// Bounds of what is kept of a hello: more than any machine has.
const (
	maxMACs  = 256
	maxDisks = 1024
	maxText  = 256 // bytes
)

// clip leaves what a record has room for.
func clip(h *api.Hello) {
	h.MACs, h.Disks = slices.Clone(h.MACs[:min(len(h.MACs), maxMACs)]), slices.Clone(h.Disks[:min(len(h.Disks), maxDisks)])
	texts := []*string{&h.MAC, &h.Address, &h.UUID, &h.Serial, &h.Product, &h.Firmware, &h.Version, &h.Boot}
	for i := range h.MACs {
		texts = append(texts, &h.MACs[i])
	}
	for i := range h.Disks {
		d := &h.Disks[i]
		texts = append(texts, &d.Path, &d.Bus, &d.Model, &d.Serial, &d.WWN)
	}
	for _, t := range texts {
		if len(*t) > maxText {
			*t = strings.Clone(strings.ToValidUTF8((*t)[:maxText], ""))
		}
	}
}

// Next hands out a node's job, waiting up to wait for one to be assigned.
func (r *Registry) Next(ctx context.Context, id string, wait time.Duration) *api.Job {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		r.mu.Lock()
		var job *api.Job
		var waiting chan struct{} // nil where there is nothing to wait for but the time
		if n := r.need(id); n != nil {
			job, waiting = r.handOut(n), n.waiting
			n.Seen = time.Now().UTC()
			if job != nil {
				r.keep(n, n.Seen)
			}
		}
		r.mu.Unlock()
		if job != nil {
			return job
		}
		select {
		case <-waiting:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// handOut returns the job that a node should run now. A job that is running
// already is handed out again: the node that asks is not running it any more.
// One that the gate keeps back stays as it is.
func (r *Registry) handOut(n *record) *api.Job {
	if n.State != api.Assigned && n.State != api.Running {
		return nil
	}
	if n.Starts >= maxStarts {
		r.fail(n, fmt.Sprintf("started %d times without reporting an end", n.Starts))
		return nil
	}
	if r.held(n) {
		return nil
	}
	n.Starts++
	n.State = api.Running
	r.log.Info("job handed out", "node", n.ID, "job", n.Job.ID, "kind", n.Job.Kind, "start", n.Starts)
	return n.Job
}

// Result records how a job ended.
func (r *Registry) Result(id, job string, ok bool, failure string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.find(id)
	if n == nil {
		return fmt.Errorf("node %s: %w", id, ErrUnknown)
	}
	if n.Job == nil || n.Job.ID != job {
		return fmt.Errorf("result of job %q of node %s: %w", job, id, ErrStale)
	}
	if ok {
		n.State, n.Console = api.Succeeded, ""
		r.log.Info("job succeeded", "node", n.ID, "job", job)
	} else {
		r.fail(n, failure)
	}
	r.keep(n, now)
	return nil
}

func (r *Registry) fail(n *record, why string) {
	n.State, n.Console = api.Broken, why
	r.log.Error("job failed", "node", n.ID, "job", n.Job.ID, "kind", n.Job.Kind, "reason", why)
	r.soon(n)
}

// Boot tells whether a node that asks what to boot should load Orbit, and why.
func (r *Registry) Boot(id string) (orbit bool, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.find(id)
	if n == nil || n.Job == nil {
		return false, "no job"
	}
	switch n.State {
	case api.Succeeded:
		return false, fmt.Sprintf("%s job done", n.Job.Kind)
	case api.Broken:
		return true, fmt.Sprintf("%s job failed, waiting for another", n.Job.Kind)
	}
	return true, fmt.Sprintf("%s job %s", n.Job.Kind, n.Job.ID)
}

// newJobID is unique and sorts by time.
func newJobID(now time.Time) string {
	var b [3]byte
	rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}
