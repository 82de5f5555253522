package progress

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// write replays a step of n progress events, interval apart, of 100 MiB each.
func replay(s api.Sink, n int, interval time.Duration, total int64) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ev := func(i int, state api.State) api.Event {
		at := time.Duration(i) * interval
		return api.Event{Time: start.Add(at), Step: api.Write, State: state, Bytes: int64(i) * 100 << 20, Total: total, Seconds: at.Seconds()}
	}
	s(ev(0, api.Started))
	for i := 1; i <= n; i++ {
		s(ev(i, api.Progress))
	}
	s(ev(n, api.Done))
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, Auto)
	replay(p.Sink(), 12, time.Second, 1200<<20)
	p.Close()
	want := strings.Join([]string{
		"write    42%  500 MiB of 1.2 GiB  100 MiB/s  7 s left",
		"write    83%  1.0 GiB of 1.2 GiB  100 MiB/s  2 s left",
		"write   1.2 GiB in 12.0 s, 100 MiB/s", "",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("plain lines (-want +got):\n%s", diff)
	}
}

func TestLive(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, Live)
	replay(p.Sink(), 12, time.Second, 1200<<20)
	p.Close()
	screen := draws(t, out.String(), 80)
	want := "write    50%  [#########.........]  600 MiB of 1.2 GiB  100 MiB/s  6 s left"
	if !contains(screen, want) {
		t.Errorf("no draw is %q; got\n%s", want, strings.Join(screen, "\n"))
	}
	if last := screen[len(screen)-1]; last != "" {
		t.Errorf("the live line was left behind: %q", last)
	}
}

// draws plays what a terminal shows in the line of the cursor after each write
// over it, and fails where a line is wider than it has columns.
func draws(t *testing.T, s string, cols int) (lines []string) {
	row, at := []byte{}, 0
	keep := func() { lines = append(lines, strings.TrimRight(string(row), " ")) }
	for _, c := range []byte(s) {
		switch c {
		case '\r':
			keep()
			at = 0
		case '\n':
			keep()
			row, at = row[:0], 0
		case '\b':
			at--
		default:
			if at >= cols-1 {
				t.Fatalf("line reaches the last of %d columns: %q", cols, row)
			}
			row = append(row[:at], append([]byte{c}, row[min(at+1, len(row)):]...)...)
			at++
		}
	}
	keep()
	return lines
}

func contains(lines []string, want string) bool {
	for _, l := range lines {
		if l == want {
			return true
		}
	}
	return false
}

func TestLiveGaugeFromFetch(t *testing.T) {
	p := New(new(bytes.Buffer), Live)
	show := p.Sink()
	now := time.Now()
	show(api.Event{Time: now, Step: api.Fetch, State: api.Started})
	show(api.Event{Time: now, Step: api.Write, State: api.Started})
	now = now.Add(time.Second)
	show(api.Event{Time: now, Step: api.Fetch, State: api.Progress, Bytes: 25 << 20, Total: 100 << 20, Seconds: 1})
	show(api.Event{Time: now, Step: api.Write, State: api.Progress, Bytes: 60 << 20, Seconds: 1})
	if got, want := p.line(0), "write    25%  60 MiB  60 MiB/s  3 s left"; got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
}

func TestStalled(t *testing.T) {
	p := New(new(bytes.Buffer), Plain)
	for at := 0.0; at < 10; at++ {
		p.show(api.Event{Step: api.Write, State: api.Progress, Bytes: 1 << 20, Total: 4 << 20, Seconds: at})
	}
	if got, want := p.line(0), "write    25%  1.0 MiB of 4.0 MiB  stalled"; got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	replay(New(&out, JSON).Sink(), 20, 250*time.Millisecond, 0)
	var states []api.State
	for line := range strings.Lines(out.String()) {
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		states = append(states, e.State)
	}
	// 20 events in 5 s, thinned to one a second.
	want := []api.State{api.Started, api.Progress, api.Progress, api.Progress, api.Progress, api.Progress, api.Done}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestNotesAndFailure(t *testing.T) {
	var out bytes.Buffer
	p := New(&out, Plain)
	p.show(api.Event{Step: api.PlanStep, State: api.Started})
	p.show(api.Event{Step: api.PlanStep, State: api.Note, Message: "waiting for a disk"})
	p.show(api.Event{Step: api.PlanStep, State: api.Failed, Seconds: 1.5, Message: "no disk"})
	want := "plan    waiting for a disk\nplan    failed after 1.5 s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
