package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/netup"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/units"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// Config is what the agent is made of.
type Config struct {
	Params  bootparam.Params
	State   string // directory for what outlives the agent, /run/orbit on a node
	Out     Output
	Log     *slog.Logger
	Machine Machine
	Network func(context.Context, netup.Config) (*netup.Network, error) // nil = netup.Up
	Retry   time.Duration                                               // first pause before the head is asked again, doubled up to 15 s; 0 = 1 s
	Bound   time.Duration                                               // for the last report before the node leaves; 0 = 30 s
	Linger  time.Duration                                               // for a person to read why the node reboots; 0 = 5 s
}

// Output is where lines for people go: the consoles.
type Output interface {
	Line(string)   // shown where nobody is at a shell
	Urgent(string) // shown everywhere
	Flush(context.Context)
}

// agent is one run of the agent. Its fields belong to the goroutine of Run.
type agent struct {
	Config
	head     *head     // nil without one
	report   *reporter // nil without a head
	surveyor *surveyor // nil without a head
	shown    *progress.Printer
	line     *timeline
	net      *netup.Network
	met      bool // the head has answered our hello
	took     bool // the job on the command line has been taken
}

// Run is the agent's life. It returns only when ctx ends.
func Run(ctx context.Context, c Config) error {
	a := newAgent(c)
	a.say("orbit %s on kernel %s", version.String(), kernelRelease())
	a.tune()
	if a.Params.Job.Kind == api.Shell && a.Params.Head == "" { // whoever asks for a shell wants it before the network
		a.Machine.Shells()
	}
	if err := a.network(ctx); err != nil {
		return err
	}
	defer a.close()
	if a.head != nil {
		a.survey(ctx)
	}
	for {
		job, err := a.next(ctx)
		if err != nil {
			return err
		}
		a.do(ctx, job)
	}
}

func newAgent(c Config) *agent {
	if c.Network == nil {
		c.Network = netup.Up
	}
	if c.Retry == 0 {
		c.Retry = time.Second
	}
	if c.Bound == 0 {
		c.Bound = 30 * time.Second
	}
	if c.Linger == 0 {
		c.Linger = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &agent{Config: c, line: &timeline{}}
	a.shown = progress.New(lines{c.Out.Line}, progress.Plain)
	return a
}

func (a *agent) close() {
	if a.surveyor != nil {
		a.surveyor.close()
	}
	if a.report != nil {
		a.report.close()
	}
	if a.net != nil {
		a.net.Down()
	}
}

// do runs a job to its end and, if it succeeded, what follows it.
func (a *agent) do(ctx context.Context, job api.Job) {
	a.begin(job)
	done, ran := a.recall(job)
	if !ran {
		done = outcome{Error: text(a.perform(ctx, job))}
		if ctx.Err() != nil { // the agent itself is being stopped: the job is neither done nor failed
			return
		}
		a.record(job, done)
	}
	if job.Kind == api.Shell && done.Error == "" {
		a.tell(ctx, job, "", a.Bound)
		return
	}
	if done.Error == "" {
		a.follow(ctx, job)
		return
	}
	a.shout("job %s FAILED: %s", job.Kind, done.Error)
	a.tell(ctx, job, done.Error, 0)
	a.say("%s", a.line)
	a.shout("this node stays as it is; press Enter for a shell")
}

func (a *agent) begin(job api.Job) {
	if a.report != nil {
		a.report.about(job.ID)
	}
	switch job.Kind {
	case api.Image:
		a.say("job: write %s to disk %s, then %s", job.Image, job.Disk, then(job))
	case api.Save:
		a.say("job: save disk %s as %s, then %s", job.Disk, job.Image, then(job))
	case api.Burnin:
		d, _ := job.Burnin.Length()
		what := fmt.Sprintf("job: try this machine for %s", units.Duration(d))
		if job.Burnin != nil && job.Burnin.Destructive != "" {
			what += ", and WRITE to disk " + job.Burnin.Destructive
		}
		a.say("%s, then %s", what, then(job))
	case api.Shell:
		a.say("job: a shell on the console; orbit help lists what it offers")
	default:
		a.say("job: %s, then %s", strings.TrimSpace(string(job.Kind)+" "+job.Disk), then(job))
	}
}

// perform does the job itself, not what follows.
func (a *agent) perform(ctx context.Context, job api.Job) error {
	if err := job.Validate(); err != nil {
		return err
	}
	switch job.Kind {
	case api.Image:
		return a.child(ctx, "imagenode", imageArgs(job, a.room(ctx, job))...)
	case api.Save:
		return a.child(ctx, "savenode", saveArgs(job)...)
	case api.Inventory:
		if err := a.child(ctx, "inventory"); err != nil {
			return err
		}
		return a.resurvey(ctx)
	case api.Burnin:
		err := a.child(ctx, "orbit", burninArgs(job, a.Params.Head, filepath.Join(a.State, path.Base(hardware.BurninFile)))...)
		if e := a.resurvey(ctx); e != nil && ctx.Err() == nil {
			a.say("the head does not have the result: %v", e)
		}
		return err
	case api.Shell:
		a.Machine.Shells()
	}
	return nil
}

// tell reports the end of a job to the head: for ever (bound 0), or until
// bound is over, for a node that is about to leave.
func (a *agent) tell(ctx context.Context, job api.Job, failure string, bound time.Duration) {
	if a.report == nil {
		return
	}
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	a.report.flush(ctx)
	if job.ID == "" { // not the head's job: it has no place for its end
		return
	}
	err := a.patiently(ctx, "report to the head", func() error { return a.head.result(ctx, job, failure) })
	if err != nil {
		a.say("the head has not heard how the job ended: %v", err)
	}
}

// patiently repeats f, with a pause that grows, until it succeeds, fails in a
// way that will not change, or ctx ends.
func (a *agent) patiently(ctx context.Context, what string, f func() error) error {
	began, noted := time.Now(), time.Time{}
	for pause := a.Retry; ; pause = min(2*pause, 15*time.Second) {
		err := f()
		if err == nil || ctx.Err() != nil || permanent(err) {
			return err
		}
		if time.Since(noted) > 10*time.Second {
			noted = time.Now()
			a.say("%s: %v; trying again, %d s so far", what, err, int(time.Since(began).Seconds()))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (a *agent) say(format string, args ...any)   { a.Out.Line(fmt.Sprintf(format, args...)) }
func (a *agent) shout(format string, args ...any) { a.Out.Urgent(fmt.Sprintf(format, args...)) }

// lines shows what is written, line by line.
type lines struct{ show func(string) }

func (l lines) Write(p []byte) (int, error) {
	l.show(string(p))
	return len(p), nil
}

func then(job api.Job) api.Then {
	if job.Then != "" {
		return job.Then
	}
	return job.Kind.DefaultThen()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
