package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// timeline remembers when the steps of a job happened.
type timeline struct{ steps []span }

type span struct {
	step     api.Step
	from, to float64 // seconds since the kernel started; to is 0 while it goes on
	bytes    int64
	failed   bool
}

func (t *timeline) add(e api.Event) {
	s := t.open(e.Step)
	if s == nil {
		if e.State == api.Note {
			return
		}
		t.steps = append(t.steps, span{step: e.Step, from: e.Uptime - e.Seconds})
		s = &t.steps[len(t.steps)-1]
	}
	s.bytes = max(s.bytes, e.Bytes)
	if e.State == api.Done || e.State == api.Failed {
		s.to, s.failed = e.Uptime, e.State == api.Failed
	}
}

func (t *timeline) open(step api.Step) *span {
	for i := range t.steps {
		if t.steps[i].step == step && t.steps[i].to == 0 {
			return &t.steps[i]
		}
	}
	return nil
}

// String is a line for each step: when, how long, how much, how fast.
func (t *timeline) String() string {
	var b strings.Builder
	b.WriteString("timeline, in seconds since the kernel started")
	for _, s := range t.steps {
		if s.to == 0 {
			fmt.Fprintf(&b, "\n  %-8s %7.1f", s.step, s.from)
			continue
		}
		took := time.Duration((s.to - s.from) * float64(time.Second))
		fmt.Fprintf(&b, "\n  %-8s %7.1f -> %7.1f  %7.1f s", s.step, s.from, s.to, took.Seconds())
		if s.bytes > 0 {
			fmt.Fprintf(&b, "  %s, %s", units.Bytes(s.bytes), units.Rate(s.bytes, took))
		}
		if s.failed {
			b.WriteString("  FAILED")
		}
	}
	return b.String()
}
