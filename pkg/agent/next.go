package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// next returns the node's next job, however long it takes. What the head says
// counts; the job on the command line is for a node without a head, and for
// one whose head has nothing for it when it comes up.
func (a *agent) next(ctx context.Context) (api.Job, error) {
	own := a.Params.Job
	if a.head == nil {
		if own.Kind == "" {
			own.Kind = api.Shell
		}
		if a.took {
			<-ctx.Done()
			return api.Job{}, ctx.Err()
		}
		a.took = true
		return own, nil
	}
	if !a.met {
		job, err := a.greet(ctx)
		if err != nil {
			return api.Job{}, err
		}
		if job == nil && own.Kind != "" && !a.took {
			job = &own
		}
		a.took = true
		if job != nil {
			return *job, nil
		}
	}
	a.say("waiting for a job from %s; press Enter for a shell", a.Params.Head)
	return a.await(ctx)
}

// greet says hello until the head answers.
func (a *agent) greet(ctx context.Context) (job *api.Job, err error) {
	hello, err := a.Machine.Hello(ctx)
	if err != nil {
		a.Log.Warn("what this machine is made of is incomplete", "err", err)
	}
	hello.MAC, hello.Version = a.net.MAC, version.String()
	hello.Address = a.net.Addr.Addr().String()
	err = a.patiently(ctx, "say hello to the head", func() (err error) {
		hello.Uptime = Uptime().Seconds()
		job, err = a.head.hello(ctx, hello)
		return err
	})
	if permanent(err) {
		a.shout("%v", err)
		err = nil
	}
	a.met = err == nil
	return job, err
}

// await asks again and again for a job.
func (a *agent) await(ctx context.Context) (api.Job, error) {
	for {
		var job *api.Job
		err := a.patiently(ctx, "ask the head for a job", func() (err error) {
			job, err = a.head.wait(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return api.Job{}, ctx.Err()
		case err != nil:
			a.shout("%v", err)
			a.pause(ctx, longPoll)
		case job != nil:
			return *job, nil
		}
	}
}

// outcome is how a job ended. It is kept on the node so that an agent that
// crashed right after a job does not do it a second time.
type outcome struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// key tells jobs apart: by name, or as "the one on the command line".
func key(job api.Job) string {
	if job.ID != "" {
		return "job " + job.ID
	}
	return "command line"
}

func (a *agent) recall(job api.Job) (outcome, bool) {
	var o outcome
	b, err := os.ReadFile(a.lastJob())
	if err != nil || json.Unmarshal(b, &o) != nil || o.Key != key(job) || job.Kind == api.Shell {
		return outcome{}, false
	}
	a.say("this job has already run; it is not done again")
	return o, true
}

func (a *agent) record(job api.Job, o outcome) {
	o.Key = key(job)
	b, err := json.Marshal(o)
	if err == nil {
		err = errors.Join(os.MkdirAll(a.State, 0o755), os.WriteFile(a.lastJob(), b, 0o644))
	}
	if err != nil {
		a.Log.Warn("note that the job has run", "err", err)
	}
}

func (a *agent) lastJob() string { return filepath.Join(a.State, "job.json") }
