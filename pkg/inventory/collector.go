package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// finding is the end of one collector.
type finding struct {
	id   string // section
	part part
	err  error
	took time.Duration
}

// find has the collector of a section do its work within bound. One that doesn't
// heed its context is left behind: some drivers answer when they like.
func find(ctx context.Context, h sysfs.Host, section string, o Options) finding {
	began, bound := time.Now(), o.bound(section)
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("gave up after %v", bound))
	defer cancel()
	done := make(chan finding, 1)
	go func() {
		f := finding{id: section}
		defer func() {
			if p := recover(); p != nil { // hardware that lies in a new way must not take the other facts with it
				f.part, f.err = nil, fmt.Errorf("internal error: %v", p)
			}
			done <- f
		}()
		f.part, f.err = collect(ctx, h, section, o)
	}()
	var f finding
	select {
	case f = <-done:
	case <-ctx.Done():
		f = finding{id: section, err: context.Cause(ctx)}
	}
	f.took = time.Since(began)
	return f
}

// bound is for one collector. Disks get twice the time: one that is busy answers
// after others' commands, and there may be dozens behind one controller.
func (o Options) bound(section string) time.Duration {
	switch {
	case section == "disks":
		return 2 * o.Each
	case section == "nics" && o.LLDP > 0:
		return o.Each + o.LLDP
	}
	return o.Each
}
