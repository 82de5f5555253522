package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

const id = "52:54:00:00:00:01"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Registry {
	t.Helper()
	r, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

var image = api.Job{Kind: api.Image, Image: "debian", Disk: "first"}

func TestParseID(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"52:54:00:AB:cd:01", "52:54:00:ab:cd:01"},
		{"52-54-00-ab-cd-01", "52:54:00:ab:cd:01"},
		{"5254.00ab.cd01", "52:54:00:ab:cd:01"},
		{"525400ABCD01", "52:54:00:ab:cd:01"},
		{"", ""}, {"all", ""}, {"52:54:00:ab:cd", ""}, {"52:54:00:ab:cd:01:02:03", ""}, {"../../etc/pw", ""}, {"5254zzabcd01", ""},
	} {
		if got, err := ParseID(test.text); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: %q, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestJobLife(t *testing.T) {
	r := open(t, t.TempDir())
	boots := func(want bool) {
		t.Helper()
		if got, why := r.Boot(id); got != want {
			t.Errorf("boots Orbit: %t (%s), want %t", got, why, want)
		}
	}
	boots(false)
	if job := r.Hello(id, api.Hello{MAC: id}, noon); job != nil {
		t.Fatalf("job %v out of nowhere", job)
	}
	n := must(r.Assign(id, image, noon))(t)
	boots(true)
	job := r.Hello(id, api.Hello{MAC: id}, noon)
	if job == nil || job.ID != n.Job.ID || job.ID == "" {
		t.Fatalf("handed out %v, assigned %v", job, n.Job)
	}
	if n := must(r.Get(id))(t); n.State != api.Running {
		t.Errorf("state %s after hand-out", n.State)
	}
	boots(true)
	if err := r.Result(id, "other", true, "", noon); !errors.Is(err, ErrStale) {
		t.Errorf("result of another job: %v", err)
	}
	if err := r.Result("52:54:00:00:00:77", job.ID, true, "", noon); !errors.Is(err, ErrUnknown) {
		t.Errorf("result of unknown node: %v", err)
	}
	if err := r.Result(id, job.ID, true, "", noon); err != nil {
		t.Fatal(err)
	}
	boots(false)
	if job := r.Next(t.Context(), id, 0); job != nil {
		t.Errorf("finished job handed out again: %v", job)
	}

	n = must(r.Assign(id, image, noon))(t)
	r.Hello(id, api.Hello{MAC: id}, noon)
	if err := r.Result(id, n.Job.ID, false, "disk on fire", noon); err != nil {
		t.Fatal(err)
	}
	boots(true)
	if n := must(r.Get(id))(t); n.State != api.Broken || n.Console != "disk on fire" {
		t.Errorf("after failure: %s %q", n.State, n.Console)
	}
	if job := r.Hello(id, api.Hello{MAC: id}, noon); job != nil {
		t.Errorf("failed job handed out again: %v", job)
	}
	if err := r.Clear(id); err != nil {
		t.Fatal(err)
	}
	boots(false)
}

func TestJobThatNeverEndsIsGivenUp(t *testing.T) {
	r := open(t, t.TempDir())
	must(r.Assign(id, image, noon))(t)
	for range maxStarts {
		if r.Hello(id, api.Hello{}, noon) == nil {
			t.Fatal("job not handed out")
		}
	}
	if job := r.Hello(id, api.Hello{}, noon); job != nil {
		t.Errorf("handed out more than %d times", maxStarts)
	}
	if n := must(r.Get(id))(t); n.State != api.Broken || n.Console == "" {
		t.Errorf("state %s, %q", n.State, n.Console)
	}
}

func TestNextWaitsForAJob(t *testing.T) {
	r := open(t, t.TempDir())
	got := make(chan *api.Job)
	go func() { got <- r.Next(t.Context(), id, time.Hour) }()
	n := must(r.Assign(id, image, noon))(t)
	if job := <-got; job == nil || job.ID != n.Job.ID {
		t.Errorf("got %v, assigned %v", job, n.Job)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { got <- r.Next(ctx, "52:54:00:00:00:02", time.Hour) }()
	cancel()
	if job := <-got; job != nil {
		t.Errorf("job %v for a node that hung up", job)
	}
}

func TestRecordsSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	n := must(r.Assign(id, image, noon))(t)
	r.Hello(id, api.Hello{MAC: id, MACs: []string{id, "52:54:00:00:00:09"}, Serial: "S1"}, noon)
	err := r.Record(id, []api.Event{
		{Job: n.Job.ID, Step: api.Write, State: api.Started},
		{Job: "old", Step: api.Write, State: api.Failed},
		{Job: n.Job.ID, Step: api.Write, State: api.Progress, Bytes: 1},
		{Job: n.Job.ID, Step: api.Fetch, State: api.Progress, Bytes: 1},
		{Job: n.Job.ID, Step: api.Write, State: api.Progress, Bytes: 2},
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}

	again := open(t, dir)
	got := must(again.Get("52:54:00:00:00:09"))(t) // by its other interface
	want := must(r.Get(id))(t)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record after restart (-before +after):\n%s", diff)
	}
	events := []api.Event{
		{Job: n.Job.ID, Step: api.Write, State: api.Started},
		{Job: n.Job.ID, Step: api.Fetch, State: api.Progress, Bytes: 1},
		{Job: n.Job.ID, Step: api.Write, State: api.Progress, Bytes: 2},
	}
	if diff := cmp.Diff(events, got.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// The hand-outs are counted on.
	again.Hello(id, api.Hello{}, noon)
	again.Hello(id, api.Hello{}, noon)
	if job := again.Hello(id, api.Hello{}, noon); job != nil {
		t.Error("restart forgot how often the job was started")
	}
}

func TestBrokenRecordIsNotIgnored(t *testing.T) {
	for name, text := range map[string]string{id + ".json": "{", "52:54:00:00:00:02.json": `{"id":"52:54:00:00:00:03"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("record %q read without an error", text)
		}
	}
}

func TestTalkativeNodeIsBounded(t *testing.T) {
	r := open(t, t.TempDir())
	must(r.Assign(id, image, noon))(t)
	for i := range 3 * maxEvents {
		if err := r.Record(id, []api.Event{{Step: api.Write, State: api.Note, Message: fmt.Sprint(i)}}, noon); err != nil {
			t.Fatal(err)
		}
	}
	n := must(r.Get(id))(t)
	if len(n.Events) != maxEvents || n.Events[0].Message != "0" || n.Events[maxEvents-1].Message != fmt.Sprint(3*maxEvents-1) {
		t.Errorf("%d events from %s to %s", len(n.Events), n.Events[0].Message, n.Events[len(n.Events)-1].Message)
	}
}

func TestManyNodesAtOnce(t *testing.T) {
	r := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var run, wait sync.WaitGroup
	run.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range 40 {
		wait.Go(func() {
			id := fmt.Sprintf("52:54:00:00:01:%02x", i)
			r.Hello(id, api.Hello{MAC: id}, noon)
			n, err := r.Assign(id, image, noon)
			job := r.Next(ctx, id, time.Minute)
			if err != nil || job == nil || job.ID != n.Job.ID {
				t.Errorf("%s: %v, %v", id, job, err)
				return
			}
			err = errors.Join(r.Record(id, []api.Event{{Job: job.ID, Step: api.Write, State: api.Started}}, noon), r.Result(id, job.ID, true, "", noon))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	cancel()
	run.Wait()
	for _, n := range r.List() {
		if n.State != api.Succeeded || len(n.Events) != 1 {
			t.Errorf("%s: %s, %d events", n.ID, n.State, len(n.Events))
		}
	}
}

// What a node warns of is in the log as a warning once for each job, however
// often it says it.
func TestWarnings(t *testing.T) {
	var log strings.Builder
	r, err := Open(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	note := func(warn bool, message string) {
		t.Helper()
		if err := r.Record(id, []api.Event{{Step: api.Fetch, State: api.Note, Warn: warn, Message: message}}, noon); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int, when string) {
		t.Helper()
		if got := strings.Count(log.String(), `level=WARN msg="node reports" node=`+id); got != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", when, got, want, log.String())
		}
	}
	must(r.Assign(id, image, noon))(t)
	note(false, "multicast is 3 s late")
	count(0, "a mere note")
	note(true, "multicast does not arrive (no server answers within 5s): going by HTTP")
	note(true, "multicast does not arrive (no server answers within 5.1s): going by HTTP")
	count(1, "said twice")
	note(true, "3 spans came wrong by multicast (damaged)")
	note(true, "12 spans came wrong by multicast (damaged)")
	note(true, "too slow for the room: leaving it missed=3")
	count(3, "other things")
	must(r.Assign(id, image, noon))(t)
	note(true, "multicast does not arrive (no server answers within 5s): going by HTTP")
	count(4, "another job")
	if n := must(r.Get(id))(t); len(n.Events) != 1 || !Warns(n.Events[0]) {
		t.Errorf("events %+v", n.Events)
	}
}

func TestAt(t *testing.T) {
	r := open(t, t.TempDir())
	r.Hello(id, api.Hello{MAC: id, Address: "10.0.0.2"}, noon)
	r.Hello("52:54:00:00:00:02", api.Hello{Address: "10.0.0.2"}, noon.Add(time.Minute))
	if got := r.At("10.0.0.2"); got != "52:54:00:00:00:02" {
		t.Errorf("at an address that two had: %q, want the later one", got)
	}
	if got := r.At("10.0.0.3"); got != "" {
		t.Errorf("at another address: %q", got)
	}
}

// Whoever makes names up fills neither memory nor disk, and nodes that are known
// go on.
func TestMadeUpNodesAreBounded(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	r.most = 3
	r.Hello(id, api.Hello{}, noon)
	for i := range 20 {
		other := fmt.Sprintf("52:54:00:00:01:%02x", i)
		r.Hello(other, api.Hello{}, noon)
		if job := r.Next(t.Context(), other, 0); job != nil {
			t.Errorf("job of %s: %+v", other, job)
		}
	}
	if n := len(r.List()); n != 3 {
		t.Errorf("%d records", n)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if _, err := r.Assign("52:54:00:00:02:00", image, noon); !errors.Is(err, ErrFull) {
		t.Errorf("assign: %v", err)
	}
	must(r.Assign(id, image, noon))(t)
	long := strings.Repeat("x", 1<<20)
	if job := r.Hello(id, api.Hello{Product: long, MACs: slices.Repeat([]string{long}, 300), Disks: []api.Disk{{Model: long}}}, noon); job == nil {
		t.Error("no job for a node that is known")
	}
	if st, err := os.Stat(filepath.Join(dir, id+".json")); err != nil || st.Size() > 128<<10 {
		t.Errorf("record: %+v, %v", st, err)
	}
}

func TestAdapterThatWasCarried(t *testing.T) {
	r := open(t, t.TempDir())
	const adapter, last = "52:54:00:00:0a:0a", "52:54:00:00:00:05"
	for i, id := range []string{"52:54:00:00:00:02", last, "52:54:00:00:00:03", "52:54:00:00:00:04"} {
		up := noon.Add(-time.Duration(i) * time.Minute)
		if id == last {
			up = noon.Add(time.Hour)
		}
		r.Hello(id, api.Hello{MACs: []string{id, adapter}}, up)
	}
	for range 20 {
		if n := must(r.Get(adapter))(t); n.ID != last {
			t.Fatalf("it is at %s, want %s", n.ID, last)
		}
	}
}
