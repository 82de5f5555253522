package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// part is what a collector has found. It is put into the document by the one
// goroutine that owns that, so that a collector that was given up on can do no
// harm when it comes back.
type part func(*hardware.Document)

// collector learns about some sections of the document. With an error it may
// still have found something.
type collector struct {
	id       string
	sections []string // of the document, by their JSON names
	find     func(context.Context, sysfs.Host) (part, error)
	patience time.Duration // more than the others have
}

// finding is the end of one collector.
type finding struct {
	id   string
	part part
	err  error
	took time.Duration
}

// one makes a collector of one section.
func one[T any](section string, find func(context.Context, sysfs.Host) (T, error), put func(*hardware.Document, T)) collector {
	return collector{id: section, sections: []string{section}, find: func(ctx context.Context, h sysfs.Host) (part, error) {
		value, err := find(ctx, h)
		return func(d *hardware.Document) { put(d, value) }, err
	}}
}

// run has a collector do its work within bound. One that doesn't heed its
// context is left behind: some drivers answer when they like.
func (c collector) run(ctx context.Context, h sysfs.Host, bound time.Duration) finding {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("gave up after %v", bound))
	defer cancel()
	done := make(chan finding, 1)
	go func() {
		f := finding{id: c.id}
		defer func() {
			if p := recover(); p != nil { // hardware that lies in a new way must not take the other facts with it
				f.part, f.err = nil, fmt.Errorf("internal error: %v", p)
			}
			done <- f
		}()
		f.part, f.err = c.find(ctx, h)
	}()
	var f finding
	select {
	case f = <-done:
	case <-ctx.Done():
		f = finding{id: c.id, err: context.Cause(ctx)}
	}
	f.took = time.Since(began)
	return f
}
