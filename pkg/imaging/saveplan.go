package imaging

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// SavePlan is what Save would save.
type SavePlan struct {
	Disk   string
	Parts  []string // a line each
	Used   string
	Notes  []string
	Parent string
}

// PlanSave finds out what Save would do with the same options, and writes
// nothing. The error is a *RefusedError.
func PlanSave(ctx context.Context, o SaveOptions) (*SavePlan, error) {
	o.Format, o.Level = cmp.Or(o.Format, formatFor(o.Dest)), cmp.Or(o.Level, DefaultLevel)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &save{o: o, report: newReport(o.Events)}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return nil, s.refuse(cause(ctx, err))
	}
	p := &SavePlan{Disk: fmt.Sprintf("%s, %s", s.dev.Path(), s.layout.Table.Summary()), Used: s.summary(), Notes: s.notes}
	if s.disk != nil {
		p.Disk = s.disk.String() + ", " + s.layout.Table.Summary()
	}
	for _, part := range s.layout.Parts {
		p.Parts = append(p.Parts, partLine(part))
	}
	if s.parent != nil {
		p.Parent = o.Parent + ", root " + s.parent.root.String()
		if !s.parent.refer {
			p.Parent += " (the destination is not on the head that has it: all spans are sent)"
		}
	}
	return p, nil
}

func partLine(p layout.Part) string {
	s := fmt.Sprintf("%s: %s, %s", p.Name, cmp.Or(p.Kind, p.Type, "unknown"), units.Bytes(p.Size))
	if p.Label != "" {
		s += fmt.Sprintf(" %q", p.Label)
	}
	return s + ", " + units.Bytes(p.Used) + " in use"
}

// String is the plan for a person to read, some lines; nothing for nil.
func (p *SavePlan) String() string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-8s %s\n", label, text)
		}
	}
	line("disk", p.Disk)
	for _, part := range p.Parts {
		line("part", part)
	}
	line("saved", p.Used)
	line("parent", p.Parent)
	for _, n := range p.Notes {
		line("note", n)
	}
	return b.String()
}
