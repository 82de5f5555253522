package progress

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// step is what the events so far told of a step that is under way.
type step struct {
	name    api.Step
	last    api.Event
	samples []sample  // of the last few seconds, oldest first
	shown   time.Time // when progress was last printed, for JSON
}

type sample struct {
	at    float64 // seconds since the step started
	bytes int64
}

// window is how many seconds of the past the rate shown is taken from.
const window = 5

// follow files e under its step, and is nil for a step that has ended.
func (p *Printer) follow(e api.Event) *step {
	for i, s := range p.steps {
		if s.name != e.Step {
			continue
		}
		if e.State == api.Done || e.State == api.Failed {
			p.steps = append(p.steps[:i:i], p.steps[i+1:]...)
			return nil
		}
		s.add(e)
		return s
	}
	if e.State != api.Started && e.State != api.Progress {
		return nil
	}
	s := &step{name: e.Step}
	s.add(e)
	p.steps = append(p.steps, s)
	return s
}

func (s *step) add(e api.Event) {
	if e.State != api.Progress {
		return
	}
	if len(s.samples) == 0 {
		s.samples = append(s.samples, sample{})
	}
	s.last = e
	s.samples = append(s.samples, sample{e.Seconds, e.Bytes})
	for len(s.samples) > 2 && s.samples[1].at <= e.Seconds-window {
		s.samples = s.samples[1:]
	}
}

// rate is bytes and the time they took, of late.
func (s *step) rate() (int64, time.Duration) {
	if len(s.samples) < 2 {
		return 0, 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	return last.bytes - first.bytes, seconds(last.at - first.at)
}

// left is how long the rest of the step will take at the rate of late, 0 where
// that cannot be told.
func (s *step) left() time.Duration {
	n, d := s.rate()
	rest := s.last.Total - s.last.Bytes
	if n <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(float64(rest) / float64(n) * float64(d))
}

// line tells how far the steps under way are, in at most width columns (0: any
// number, and no bar). The step that started last leads; how long there is to
// go may be known from another one (the size of a compressed image is known,
// that of its content may not be).
func (p *Printer) line(width int) string {
	var lead, gauge *step
	for _, s := range p.steps {
		if s.last.State != api.Progress {
			continue
		}
		lead = s
		if s.last.Total > 0 {
			gauge = s
		}
	}
	if lead == nil {
		return ""
	}
	text := units.Bytes(lead.last.Bytes)
	if lead.last.Total > 0 {
		text += " of " + units.Bytes(lead.last.Total)
	}
	n, d := lead.rate()
	if n > 0 {
		text += "  " + units.Rate(n, d)
	} else {
		text += "  stalled"
	}
	head, fraction := label(lead.name), 0.0
	if gauge != nil {
		fraction = min(1, float64(gauge.last.Bytes)/float64(gauge.last.Total))
		head += fmt.Sprintf("%3.0f%%  ", 100*fraction)
		if left := gauge.left(); left > 0 {
			text += "  " + about(left) + " left"
		}
	}
	if bar := min(18, width-len(head)-len(text)-4); gauge != nil && bar >= 10 {
		full := int(fraction * float64(bar))
		head += "[" + strings.Repeat("#", full) + strings.Repeat(".", bar-full) + "]  "
	}
	line := head + text
	if width > 0 && len(line) > width {
		line = line[:width]
	}
	return line
}

// summary is the last word on a step.
func summary(e api.Event) string {
	took := seconds(e.Seconds)
	if e.State == api.Failed {
		return fmt.Sprintf("%sfailed after %s", label(e.Step), units.Duration(took))
	}
	line := label(e.Step)
	if e.Bytes > 0 {
		line += fmt.Sprintf("%s in %s, %s", units.Bytes(e.Bytes), units.Duration(took), units.Rate(e.Bytes, took))
	} else {
		line += "done in " + units.Duration(took)
	}
	if e.Message != "" {
		line += ": " + e.Message
	}
	return line
}

// label starts a line: the steps are short words, padded so that what follows lines up.
func label(s api.Step) string { return fmt.Sprintf("%-7s ", s) }

// about is d to the second: more is not known of the future.
func about(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	return units.Duration(d)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
