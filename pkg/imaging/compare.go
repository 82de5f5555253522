package imaging

import (
	"context"
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
)

// comparable tells whether it makes sense to look whether the disk holds a
// frame.
func (w *write) comparable(f image.Frame) bool {
	return !w.o.Full && !w.out.fresh && (f.Kind == image.Empty || !f.Digest.IsZero())
}

// holds tells whether the disk holds what a frame says, except for what is held
// back until the end. buf has room for a span.
func (w *write) holds(ctx context.Context, f image.Frame, buf []byte) (bool, error) {
	r := w.source.rangeOf(f)
	for off := r.Off; off < r.End; off += image.Span {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		span := extent.Range{Off: off, End: min(off+image.Span, r.End)}
		if !w.source.used.Overlaps(span) {
			continue
		}
		data := buf[:span.Len()]
		if err := w.load(span, data); err != nil {
			// Writing it may well make the disk put a good sector there.
			w.report.note(api.Write, fmt.Sprintf("%v; writing it anew", err))
			return false, nil
		}
		if f.Kind == image.Empty && !isZeroAll(data) || f.Kind == image.Data && image.Sum(data) != f.Digest {
			return false, nil
		}
	}
	return true, nil
}

// load reads the used parts of a span from the disk, as if what is held back
// were there already. All else becomes zeros.
func (w *write) load(span extent.Range, data []byte) error {
	at := int64(0)
	for r := range closeBy(w.source.used, span) {
		clear(data[at : r.Off-span.Off])
		at = r.End - span.Off
		if err := readAll(w.dev, data[r.Off-span.Off:at], r.Off); err != nil {
			return err
		}
	}
	clear(data[at:])
	for _, h := range w.out.all(w.source.head) {
		in := span.Intersect(extent.Range{Off: h.off, End: h.off + int64(len(h.data))})
		if !in.Empty() {
			copy(data[in.Off-span.Off:in.End-span.Off], h.data[in.Off-h.off:])
		}
	}
	image.Mask(w.source.used, span, data)
	return nil
}

// readAll reads p from the disk. What is behind its end reads as zeros: a file
// may still have to grow.
func readAll(dev io.ReaderAt, p []byte, off int64) error {
	n, err := dev.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		clear(p[n:])
		return nil
	}
	return err
}

// isZeroAll tells whether p is all zeros.
func isZeroAll(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), grain)
		if !isZero(p[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}
