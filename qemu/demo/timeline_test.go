package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// example is a node whose clock is an hour off: only its uptime can be used.
func example() *story {
	power := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds float64) time.Time {
		return power.Add(time.Duration(seconds * float64(time.Second)))
	}
	event := func(step api.Step, state api.State, uptime, seconds float64, bytes int64) api.Event {
		return api.Event{Time: at(3600 + uptime), Uptime: uptime, Step: step, State: state, Seconds: seconds, Bytes: bytes}
	}
	return &story{
		power: power, kernels: []time.Time{at(10), at(40)}, login: at(60),
		events: []api.Event{
			event(api.Network, api.Started, 2, 0, 0),
			event(api.Network, api.Done, 3, 1, 0),
			event(api.Fetch, api.Started, 4, 0, 0),
			event(api.Write, api.Started, 4, 0, 0),
			event(api.Fetch, api.Progress, 10, 6, 50<<20),
			event(api.Fetch, api.Done, 14, 10, 100<<20),
			event(api.Write, api.Done, 24, 20, 2<<30),
			event(api.KexecTo, api.Started, 25, 0, 0),
		},
	}
}

func TestTimeline(t *testing.T) {
	got := newTimeline(example())
	want := &timeline{Total: 60, Spans: []span{
		{Name: api.Firmware, Start: 0, End: 10},
		{Name: api.Network, Start: 10, End: 13},
		{Name: api.Fetch, Start: 14, End: 24, Bytes: 100 << 20},
		{Name: api.Write, Start: 14, End: 34, Bytes: 2 << 30},
		{Name: api.KexecTo, Start: 35, End: 40},
		{Name: api.Up, Start: 40, End: 60},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(span{}, "About"), cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	var text strings.Builder
	got.print(&text)
	for _, want := range []string{"100 MiB, 10 MiB/s", "60.0 s", "one trip through firmware"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("timeline lacks %q:\n%s", want, text.String())
		}
	}
}

// The picture is well-formed XML with a bar for every step.
func TestPicture(t *testing.T) {
	line := newTimeline(example())
	d := xml.NewDecoder(strings.NewReader(line.picture(`a title with <, & and "`)))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "rect" {
			bars++
		}
	}
	if want := len(line.Spans) + 1; bars != want {
		t.Errorf("%d rectangles, want %d", bars, want)
	}
}

func TestFollowerShowsEventsOnce(t *testing.T) {
	events := example().events
	var got []api.Event
	f := newFollower(func(e api.Event) { got = append(got, e) })
	for i := range events {
		f.events(events[:i+1])
	}
	if diff := cmp.Diff(events, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
