package node

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// A job that the gate keeps back is not handed out, not counted as started, and
// comes as soon as the gate opens to the node that waits for it.
func TestGateHoldsJobs(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	var why atomic.Value
	why.Store("its inventory has changed")
	type question struct {
		ID, Boot string
		Up       time.Time
	}
	asked := make(chan question, 100)
	r.Guard(func(id string, h api.Hello, up time.Time) string {
		asked <- question{id, h.Boot, up}
		return why.Load().(string)
	})
	if job := r.Hello(id, api.Hello{Boot: "b1"}, noon); job != nil || len(asked) > 0 {
		t.Fatalf("without a job: %v, gate asked %d times", job, len(asked))
	}
	n := must(r.Assign(id, image, noon))(t)
	for range 2 * maxStarts {
		if job := r.Hello(id, api.Hello{Boot: "b2"}, noon.Add(time.Minute)); job != nil {
			t.Fatalf("handed out %v", job)
		}
	}
	if diff := cmp.Diff(question{id, "b2", noon.Add(time.Minute)}, <-asked); diff != "" {
		t.Errorf("question (-want +got):\n%s", diff)
	}
	if n := must(r.Get(id))(t); n.Held != "its inventory has changed" || n.State != api.Assigned {
		t.Errorf("held because of %q, %s", n.Held, n.State)
	}
	if orbit, _ := r.Boot(id); !orbit {
		t.Error("a node whose job is held does not boot Orbit")
	}

	for len(asked) > 0 {
		<-asked
	}
	got := make(chan *api.Job)
	go func() { got <- r.Next(t.Context(), id, time.Hour) }()
	<-asked       // the poll is there
	r.Recheck(id) // still closed
	why.Store("")
	r.Recheck(id)
	r.Recheck("52:54:00:00:00:99") // nobody
	if job := <-got; job == nil || job.ID != n.Job.ID {
		t.Errorf("after the gate opened: %v", job)
	}
	if n := must(r.Get(id))(t); n.Held != "" || n.State != api.Running {
		t.Errorf("then held because of %q, %s", n.Held, n.State)
	}

	// A node that was reset asks for the same job again: the gate counts then too.
	why.Store("closed")
	if job := r.Hello(id, api.Hello{}, noon); job != nil {
		t.Errorf("handed out again: %v", job)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if n := must(again.Get(id))(t); n.Held != "closed" {
		t.Errorf("restart forgot why: %q", n.Held)
	}
	if err := again.Clear(id); err != nil {
		t.Fatal(err)
	}
	if n := must(again.Get(id))(t); n.Held != "" {
		t.Errorf("without a job still held: %q", n.Held)
	}
}

func TestCanonical(t *testing.T) {
	r := open(t, t.TempDir())
	r.Hello(id, api.Hello{MACs: []string{id, "52:54:00:00:00:09"}}, noon)
	for _, name := range []string{id, "52:54:00:00:00:09"} {
		if got, err := r.Canonical(name); got != id || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if got, err := r.Canonical("52:54:00:00:00:02"); err == nil {
		t.Errorf("unknown node is %s", got)
	}
}
