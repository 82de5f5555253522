package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
	"github.com/orbit-pxe/orbit/qemu"
)

// span is one step on the timeline, in seconds since power on.
type span struct {
	Name  api.Step `json:"step"`
	Start float64  `json:"start"`
	End   float64  `json:"end"`
	Bytes int64    `json:"bytes,omitempty"`
	About string   `json:"about,omitempty"`
}

// timeline is what happened from power on to the login prompt.
type timeline struct {
	Spans  []span  `json:"spans"`
	Total  float64 `json:"total"`  // seconds
	Resets int     `json:"resets"` // trips through firmware after the first
}

// what the steps are, for the picture and the table.
var about = map[api.Step]string{
	api.Firmware: "firmware, PXE, kernel and initramfs loaded",
	api.Network:  "kernel, links, address, head",
	api.PlanStep: "checks before the first byte",
	api.Fetch:    "image received",
	api.Write:    "decompressed and written to the disk",
	api.Verify:   "digests compared",
	api.Commit:   "partition table",
	api.KexecTo:  "the new system's kernel found, loaded and entered",
	api.Up:       "Debian starts, to its login prompt",
}

// newTimeline puts the node's reports and the console on one clock. The head
// records the node's events with seconds since its kernel started; the
// console tells when that was.
func newTimeline(s *story) *timeline {
	t := &timeline{Resets: s.resets}
	since := func(at time.Time) float64 { return at.Sub(s.power).Seconds() }
	booted := 0.0
	if len(s.kernels) > 0 {
		booted = since(s.kernels[0])
	}
	at := func(e api.Event) float64 {
		if e.Uptime > 0 {
			return booted + e.Uptime
		}
		return since(e.Time)
	}
	t.Spans = append(t.Spans, span{Name: api.Firmware, Start: 0, End: booted, About: about[api.Firmware]})
	starts := map[api.Step]float64{}
	for _, e := range s.events {
		switch e.State {
		case api.Started:
			starts[e.Step] = at(e)
		case api.Done:
			start, ok := starts[e.Step]
			if !ok || e.Seconds > 0 {
				start = at(e) - e.Seconds
			}
			t.Spans = append(t.Spans, span{Name: e.Step, Start: start, End: at(e), Bytes: e.Bytes, About: about[e.Step]})
		}
	}
	t.fit(starts, s.kernels, since)
	t.Total = since(s.login)
	if up := t.find(api.KexecTo); up != nil {
		t.Spans = append(t.Spans, span{Name: api.Up, Start: up.End, End: t.Total, About: about[api.Up]})
	}
	return t
}

// fit makes the ends of the steps meet: network begins with the kernel, and
// kexec ends when the next kernel speaks.
func (t *timeline) fit(starts map[api.Step]float64, kernels []time.Time, since func(time.Time) float64) {
	if n := t.find(api.Network); n != nil {
		n.Start = t.Spans[0].End
	}
	if len(kernels) < 2 {
		return
	}
	second := since(kernels[1])
	k := t.find(api.KexecTo)
	if k == nil { // it may not live to say that it is done
		start, ok := starts[api.KexecTo]
		if !ok {
			start = t.Spans[len(t.Spans)-1].End
		}
		t.Spans = append(t.Spans, span{Name: api.KexecTo, Start: start, About: about[api.KexecTo]})
		k = &t.Spans[len(t.Spans)-1]
	}
	k.End = second
}

func (t *timeline) find(name api.Step) *span {
	for i := range t.Spans {
		if t.Spans[i].Name == name {
			return &t.Spans[i]
		}
	}
	return nil
}

// rate is the step's throughput in words, or nothing.
func (s span) rate() string {
	if s.Bytes == 0 || s.End <= s.Start {
		return ""
	}
	return units.Bytes(s.Bytes) + ", " + units.Rate(s.Bytes, time.Duration((s.End-s.Start)*float64(time.Second)))
}

func (t *timeline) print(w io.Writer) {
	const width = 40
	fmt.Fprintf(w, "\n%-9s %8s %8s  %-*s\n", "step", "at", "took", width, "")
	for _, s := range t.Spans {
		from, to := int(s.Start/t.Total*width), int(s.End/t.Total*width+0.5)
		to = min(max(to, from+1), width)
		bar := strings.Repeat(" ", from) + strings.Repeat("█", to-from) + strings.Repeat(" ", width-to)
		fmt.Fprintf(w, "%-9s %6.1f s %6.1f s  %s  %s\n", s.Name, s.Start, s.End-s.Start, bar, s.rate())
	}
	fmt.Fprintf(w, "%-9s %17.1f s  from power on to Debian's login:, %s\n", "total", t.Total, trips(t.Resets))
}

func trips(resets int) string {
	switch resets {
	case 0:
		return "one trip through firmware"
	case 1:
		return "a second trip through firmware"
	}
	return fmt.Sprintf("%d more trips through firmware", resets)
}

func title(o options) string {
	firmware := "SeaBIOS"
	if o.firmware == qemu.UEFI {
		firmware = "UEFI (OVMF)"
	}
	accel := "emulated CPU"
	if qemu.Accelerated() {
		accel = "KVM"
	}
	return fmt.Sprintf("From power on to Debian's login: %s, %s disk, %s", firmware, o.bus, accel)
}

// save leaves timeline.txt, timeline.json, timeline.svg and, with a converter,
// timeline.png.
func (t *timeline) save(ctx context.Context, dir, title string) error {
	var text strings.Builder
	fmt.Fprintln(&text, title)
	t.print(&text)
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	svg := filepath.Join(dir, "timeline.svg")
	for path, content := range map[string]string{
		filepath.Join(dir, "timeline.txt"):  text.String(),
		filepath.Join(dir, "timeline.json"): string(data) + "\n",
		svg:                                 t.picture(title),
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	png := filepath.Join(dir, "timeline.png")
	for _, c := range [][]string{
		{"rsvg-convert", "-z", "2", "-o", png, svg},
		{"inkscape", "--export-filename=" + png, svg},
		{"magick", "-density", "192", svg, png},
	} {
		if _, err := exec.LookPath(c[0]); err == nil {
			return exec.CommandContext(ctx, c[0], c[1:]...).Run()
		}
	}
	return nil
}
