package imaging

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Unused is what becomes of the space that the image does not use.
type Unused string

const (
	Keep    Unused = "keep"    // as it is, but for old signatures
	Discard Unused = "discard" // the disk is told that it holds nothing of value
	Zero    Unused = "zero"    // reads as zeros, and is read to make sure
)

// ZeroError reports space that does not read as zeros after it was zeroed.
type ZeroError struct {
	Disk string
	Off  int64 // bytes
}

func (e *ZeroError) Error() string {
	return fmt.Sprintf("%s does not read as zeros at %s though it was zeroed (failing disk?)", e.Disk, units.Bytes(e.Off))
}

// unused gives the parts of the disk that are neither the image's nor those
// of its table on this disk.
func (w *write) unused(table []partition.Piece) extent.Set {
	if w.target.file && w.target.room == unlimited {
		return w.source.used.Complement(extent.Range{End: w.source.length})
	}
	s := w.source.used.Union(extent.NewSet(extent.Range{End: w.bytes}))
	if w.source.isTold() {
		s = w.source.used.Clone()
	}
	for _, h := range w.out.all(w.source.head) {
		s.Add(extent.Range{Off: h.off, End: h.off + int64(len(h.data))})
	}
	for _, p := range table {
		s.Add(extent.Range{Off: p.Off, End: p.Off + int64(len(p.Data))})
	}
	return s.Complement(extent.Range{End: w.dev.Size()})
}

// clearUnused does what is wanted of the space that is not in use.
func (w *write) clearUnused(ctx context.Context) error {
	if w.o.Unused == Keep {
		return nil
	}
	parts, err := w.final()
	if err != nil {
		return err
	}
	begin := w.begin
	if !w.changed && w.holdsAll(parts) {
		// The disk holds all of the image, and will whatever becomes of the rest.
		begin = func(context.Context) error { return nil }
	}
	if w.o.Unused == Discard {
		return w.discard(ctx, w.unused(parts), begin)
	}
	return w.zeroUnused(ctx, w.unused(parts), begin)
}

func (w *write) discard(ctx context.Context, unused extent.Set, begin func(context.Context) error) error {
	n := int64(0)
	for r := range unused.All() {
		if err := begin(ctx); err != nil {
			return err
		}
		// Whole sectors only, as disks want it.
		sector := int64(w.dev.SectorSize())
		r.Off, r.End = (r.Off+sector-1)/sector*sector, r.End/sector*sector
		if r.Empty() {
			continue
		}
		err := w.dev.Discard(r.Off, r.Len())
		if errors.Is(err, errors.ErrUnsupported) {
			w.report.note(api.Write, w.target.path+" does not take discards: its unused space stays as it is")
			return nil
		}
		if err != nil {
			return err
		}
		n += r.Len()
	}
	w.report.note(api.Write, units.Bytes(n)+" of unused space discarded")
	return nil
}

// zeroUnused zeros what is not zeros, and looks whether that helped.
func (w *write) zeroUnused(ctx context.Context, unused extent.Set, begin func(context.Context) error) error {
	return each(ctx, bySpan(unused), func(ctx context.Context, r extent.Range, buf []byte) error {
		data := buf[:r.Len()]
		if err := readAll(w.dev, data, r.Off); err == nil && isZeroAll(data) {
			return nil
		}
		if err := begin(ctx); err != nil {
			return err
		}
		if err := w.dev.Zero(ctx, r.Off, r.Len()); err != nil {
			return err
		}
		if err := readAll(w.dev, data, r.Off); err != nil {
			return err
		}
		if !isZeroAll(data) {
			return &ZeroError{w.target.path, r.Off}
		}
		return nil
	})
}

// bySpan gives the ranges of s cut at the spans.
func bySpan(s extent.Set) iter.Seq[extent.Range] {
	return func(yield func(extent.Range) bool) {
		for r := range s.All() {
			for r.Off < r.End {
				end := min((r.Off/image.Span+1)*image.Span, r.End)
				if !yield(extent.Range{Off: r.Off, End: end}) {
					return
				}
				r.Off = end
			}
		}
	}
}
