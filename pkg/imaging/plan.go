package imaging

import (
	"context"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Plan is what Write would do, as far as it can be known before the first byte
// is written.
type Plan struct {
	What     string  // "write debian.zst to /dev/sda"
	Image    string  // the image in words
	Disk     string  // the disk in words
	Lost     string  // what the disk holds now
	Check    string  // how the image will be verified
	Change   string  // what will differ from the image, "" for nothing
	Cut      string  // what is left out of the image so that it fits, "" for nothing
	Refusals []error // why it will not be done; none if it will
}

// String is the plan for a person to read, some lines.
func (p *Plan) String() string {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-8s %s\n", label, text)
		}
	}
	line("image", p.Image)
	line("disk", p.Disk)
	line("lost", p.Lost)
	line("check", p.Check)
	line("change", p.Change)
	line("cut", p.Cut)
	for _, r := range p.Refusals {
		line("refused", r.Error())
	}
	return b.String()
}

// Err is nil if the plan would be carried out, and a *RefusedError if not.
func (p *Plan) Err() error {
	if len(p.Refusals) == 0 {
		return nil
	}
	return &RefusedError{What: p.What, Reasons: p.Refusals}
}

// MakePlan finds out what Write would do with the same options, and changes
// nothing. The plan may be one that Write would refuse: see Plan.Refusals. The
// error is a *RefusedError where there is no such disk, no such image, or one
// of them cannot be read.
func MakePlan(ctx context.Context, o WriteOptions) (*Plan, error) {
	w, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return w.plan, nil
}

// judge compares image and disk.
func judge(ctx context.Context, o *WriteOptions, m *source, t *target) *Plan {
	p := &Plan{What: fmt.Sprintf("write %s to %s", m.name, t.path), Image: m.String(), Disk: t.String(), Lost: t.lost}
	p.Refusals = append(p.Refusals, t.refusals...)
	if !t.file && m.sector != 0 && m.sector != t.sector {
		p.Refusals = append(p.Refusals, &SectorError{Disk: t.path, Image: m.sector, Have: t.sector})
	}
	if !t.file && m.sector == 0 && m.table.Scheme == partition.SchemeMBR && t.sector != 512 {
		p.Refusals = append(p.Refusals, &SectorError{Disk: t.path, Image: 512, Have: t.sector, Guess: true})
	}
	if m.size() > t.room {
		cut, err := m.fit(ctx, t.room)
		if err != nil {
			p.Refusals = append(p.Refusals, t.name(err))
		}
		p.Cut = cut
	}
	if o.Fits != nil {
		if err := o.Fits(ctx, m.table, t.path, t.file); err != nil {
			p.Refusals = append(p.Refusals, err)
		}
	}
	p.Check = check(o, m)
	if m.table.GPT != nil && t.room != unlimited && m.table.End < t.room {
		p.Change = "backup partition table moves to the end of the disk, " + units.Bytes(t.room-m.table.End) + " further on"
	}
	return p
}

// check is how it is made sure that the right image is written, in words.
func check(o *WriteOptions, m *source) string {
	var s string
	switch {
	case m.index != nil:
		s = "digest of every span, root " + m.index.Root().String()
	case m.chunks != nil || m.solo != nil, m.flow != nil && m.flow.chunks != nil && m.flow.want == "":
		s = "header and checksum of every chunk"
	case m.spans != nil:
		s = "checksums of compressed clusters: a qcow2 image has no others"
	case m.flow.want != "":
		s = "sha256 " + m.flow.want
	case m.flow.Format() == stream.Raw:
		s = "nothing to check: a raw image has no checksums, and no sha256 is given"
	default:
		s = "checksums of the compressed stream"
	}
	if len(o.Keys) > 0 {
		s += "; signed by a trusted key"
	}
	if o.Verify == VerifyDisk {
		s += "; then read back from the disk"
	}
	return s
}
