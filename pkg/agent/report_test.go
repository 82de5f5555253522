package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

func TestReporterKeepsOrderAndDropsProgress(t *testing.T) {
	type batch = []api.Event
	posts := make(chan batch)
	fail := make(chan error)
	r := newReporter(func(ctx context.Context, events []api.Event) error {
		select {
		case posts <- events:
			return <-fail
		case <-ctx.Done():
			return ctx.Err()
		}
	}, slog.New(slog.DiscardHandler), time.Millisecond)
	defer r.close()
	words := func(b batch) (s string) {
		for _, e := range b {
			s += string(e.Step) + "." + string(e.State) + "/" + e.Job + " "
		}
		return strings.TrimSpace(s)
	}
	r.add(api.Event{Step: api.Network, State: api.Done})
	r.about("j1") // what came before belongs to the first job
	first := <-posts
	if diff := cmp.Diff("network.done/j1", words(first)); diff != "" {
		t.Errorf("first batch (-want +got):\n%s", diff)
	}
	r.add(api.Event{Step: api.Fetch, State: api.Started})
	for n := range int64(100) {
		r.add(api.Event{Step: api.Fetch, State: api.Progress, Bytes: n})
		r.add(api.Event{Step: api.Write, State: api.Progress, Bytes: n})
	}
	fail <- errors.New("head is away")
	second := <-posts
	if diff := cmp.Diff("network.done/j1 fetch.start/j1 fetch.progress/j1 write.progress/j1", words(second)); diff != "" {
		t.Errorf("second batch (-want +got):\n%s", diff)
	}
	if got := second[2].Bytes; got != 99 {
		t.Errorf("progress of %d bytes, want the latest", got)
	}
	fail <- nil
	r.flush(context.Background())
	r.about("j2")
	r.add(api.Event{Step: api.Fetch, State: api.Done})
	if diff := cmp.Diff("fetch.done/j2", words(<-posts)); diff != "" {
		t.Errorf("third batch (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.flush(ctx) // does not wait for a head that is away
	fail <- nil
}

func TestTimeline(t *testing.T) {
	var l timeline
	for _, e := range []api.Event{
		{Step: api.Network, State: api.Started, Uptime: 2},
		{Step: api.Network, State: api.Note, Uptime: 3},
		{Step: api.Network, State: api.Done, Uptime: 3.5, Seconds: 1.5},
		{Step: api.Fetch, State: api.Started, Uptime: 4},
		{Step: api.Write, State: api.Started, Uptime: 4.5},
		{Step: api.Fetch, State: api.Done, Uptime: 14, Seconds: 10, Bytes: 100 << 20},
		{Step: api.Write, State: api.Failed, Uptime: 15, Seconds: 10.5},
		{Step: api.KexecTo, State: api.Started, Uptime: 16},
	} {
		l.add(e)
	}
	want := `timeline, in seconds since the kernel started
  network      2.0 ->     3.5      1.5 s
  fetch        4.0 ->    14.0     10.0 s  100 MiB, 10 MiB/s
  write        4.5 ->    15.0     10.5 s  FAILED
  kexec       16.0`
	if diff := cmp.Diff(want, l.String()); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestAvailable(t *testing.T) {
	if got, want := available([]byte("MemTotal: 9 kB\nMemAvailable:  2048 kB\nCached: 1 kB\n")), int64(2<<20); got != want {
		t.Errorf("available = %d, want %d", got, want)
	}
	if got := available([]byte("garbage")); got != 0 {
		t.Errorf("available of garbage = %d", got)
	}
}

func TestEachLine(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	var got []string
	eachLine(strings.NewReader("a\r\n\nb\n"+long+"\nend"), func(s string) { got = append(got, s) })
	joined := strings.Join(got, "")
	if joined != "ab"+long+"end" || got[0] != "a" || got[1] != "b" {
		t.Errorf("got %d lines, %d bytes", len(got), len(joined))
	}
}
