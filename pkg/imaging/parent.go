package imaging

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// parent is an image that a save takes spans from instead of sending them.
type parent struct {
	file  *transfer.Ranges
	index *image.Index
	root  image.Digest
	refer bool  // the head has it: spans are only referred to
	mute  error // why the head does not tell whether it has it, or nil

	same, other int64 // spans
}

// openParent reads the index of the parent.
func openParent(ctx context.Context, o SaveOptions) (*parent, error) {
	file, err := transfer.OpenRanges(ctx, o.Parent, transfer.Options{Patience: o.Patience, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("open parent image: %w", err)
	}
	p := &parent{file: file}
	if p.index, err = image.ReadIndex(file.ReaderAt(ctx), file.Size()); err != nil {
		file.Close()
		return nil, fmt.Errorf("parent image %s: %w", o.Parent, err)
	}
	if p.index.Partial() {
		file.Close()
		return nil, fmt.Errorf("parent image %s is itself only the difference to another", o.Parent)
	}
	p.root = p.index.Root()
	p.refer, p.mute = assembles(ctx, o, p.root)
	return p, nil
}

// RootHeader is what the head says of an image that others may be sent as the
// difference to: its root.
const RootHeader = "Orbit-Root"

// assembles tells whether the destination is a head that has the parent and
// will put the image together. Any other server would take the difference for
// the whole.
func assembles(ctx context.Context, o SaveOptions, root image.Digest) (bool, error) {
	from, err1 := url.Parse(o.Parent)
	to, err2 := url.Parse(o.Dest)
	if err1 != nil || err2 != nil || !strings.HasPrefix(to.Scheme, "http") || from.Scheme != to.Scheme || from.Host != to.Host {
		return false, nil
	}
	h, err := transfer.Head(ctx, o.Parent, transfer.Options{Patience: o.Patience, Log: o.Log})
	return err == nil && h.Get(RootHeader) == root.String(), err
}

// inherit gives the span of a job as a reference to the parent, if the parent
// has it and the head puts the image together, else as it is.
func (p *parent) inherit(j *packJob) image.Packed {
	if j.packed.Kind != image.Data || j.span >= p.index.Spans() {
		return j.packed
	}
	f := p.index.Find(j.span)
	if f.Kind != image.Data || f.Digest != j.packed.Digest || p.index.SpanRange(j.span).Len() != int64(len(j.data)) {
		p.other++
		return j.packed
	}
	p.same++
	if p.refer {
		return image.Packed{Kind: image.Inherited, Digest: f.Digest}
	}
	return j.packed
}

func (p *parent) close() {
	if p != nil {
		p.file.Close()
	}
}
