package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootos"
)

// follow does what follows a job that succeeded. Where the node leaves it
// returns only if leaving failed.
func (a *agent) follow(ctx context.Context, job api.Job) {
	switch then(job) {
	case api.Kexec:
		a.kexec(ctx, job)
	case api.Reboot:
		a.finish(ctx, job, "", "reboot")
		a.leave(ctx, "reboot", a.Machine.Reboot)
	case api.Poweroff:
		a.finish(ctx, job, "", "power off")
		a.leave(ctx, "power off", a.Machine.Poweroff)
	default:
		a.finish(ctx, job, "", "stay up")
		a.say("press Enter for a shell")
	}
}

// kexec starts the system on the disk. kexec is an optimisation, booting from
// the disk is what was promised: whatever is in the way, the node goes there
// through its firmware instead.
func (a *agent) kexec(ctx context.Context, job api.Job) {
	began := time.Now()
	a.sink(a.event(api.KexecTo, api.Started, began, ""))
	err := a.load(ctx, job)
	if err != nil {
		a.sink(a.event(api.KexecTo, api.Failed, began, err.Error()))
		a.shout("kexec is not possible: %v", err)
		failure := ""
		if job.Kind == api.Boot { // then this was the job itself
			failure = err.Error()
		}
		a.finish(ctx, job, failure, fmt.Sprintf("reboot to the disk in %v", a.Linger))
		a.pause(ctx, a.Linger)
		a.leave(ctx, "reboot", a.Machine.Reboot)
		return
	}
	a.sink(a.event(api.KexecTo, api.Done, began, ""))
	a.finish(ctx, job, "", "kexec")
	a.leave(ctx, "kexec", a.Machine.Kexec)
	if ctx.Err() == nil {
		a.leave(ctx, "reboot", a.Machine.Reboot)
	}
}

// load finds what the disk would boot and puts it into memory.
func (a *agent) load(ctx context.Context, job api.Job) error {
	selector := job.Disk
	if selector == "" {
		selector = "first"
	}
	disk, err := a.Machine.Resolve(ctx, selector)
	if err != nil {
		return err
	}
	return a.Machine.Load(ctx, bootos.Options{
		Disk: disk, Consoles: a.Params.Consoles, Append: job.Append,
		Events: func(e api.Event) { // its steps are part of ours
			if e.State == api.Note || e.Step != api.KexecTo {
				a.sink(e)
			}
		},
	})
}

// finish shows the timeline and tells the head the end of the job.
func (a *agent) finish(ctx context.Context, job api.Job, failure, next string) {
	if failure == "" {
		a.shout("job %s succeeded; %s", job.Kind, next)
	} else {
		a.shout("job %s FAILED: %s; %s", job.Kind, failure, next)
	}
	a.say("%s", a.line)
	a.tell(ctx, job, failure, a.Bound)
}

func (a *agent) leave(ctx context.Context, what string, act func(context.Context) error) {
	flush, cancel := context.WithTimeout(ctx, 3*time.Second)
	a.Out.Flush(flush)
	cancel()
	if err := act(ctx); err != nil && ctx.Err() == nil {
		a.shout("%s: %v", what, err)
	}
}
