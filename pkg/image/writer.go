package image

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// TooLargeError reports an image that nobody could read, so that it is not written.
type TooLargeError struct {
	What       string // "index"
	Have, Most int64  // bytes, what it has at least and what is read of it at most
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the image's %s has more than %s (%d bytes so far), and no more is ever read of one: there is too much on this disk for one image (save its partitions alone)",
		e.What, units.Bytes(e.Most), e.Have)
}

// Writer puts the spans of a disk into a file, first to last.
type Writer struct {
	w     io.Writer
	index *Index
	next  int64 // span
	run   int64 // of empty spans that are not written yet
	err   error
	least int64 // bytes that the index has so far
	limit int64 // of it, for tests; 0 is maxIndex
	full  int   // empty frames so far that are full
}

// NewWriter begins an image with what x says of Size, Sector, Used and Meta. More
// may be said until Close: see Lose and Note. It fails with a *TooLargeError where
// that alone is more than is ever read; Append and Close do, where it shows later:
// what spans need of the index is known when they are packed, as zeros need next
// to nothing.
func NewWriter(w io.Writer, x Index) (*Writer, error) {
	if x.Size <= 0 || x.Used.End() > x.Size {
		return nil, fmt.Errorf("begin image: used up to byte %d of %d", x.Used.End(), x.Size)
	}
	x.frames, x.end, x.Signature, x.meta = nil, 0, nil, nil
	x.Used = x.Used.Clone()
	meta, err := x.Meta.encode()
	if err != nil {
		return nil, err
	}
	if len(meta) > maxMeta {
		return nil, &TooLargeError{"description", int64(len(meta)), maxMeta}
	}
	out := &Writer{w: w, index: &x}
	out.least = int64(fixedSize + len(meta) + len(encodeRanges(x.Used, x.unit())))
	return out, out.fits()
}

// fits fails if the index is larger already than it may be.
func (w *Writer) fits() error {
	if most := cmp.Or(w.limit, maxIndex); w.least > most {
		return &TooLargeError{"index", w.least, most}
	}
	return nil
}

// Tight tells whether the index will be too large unless spans are all zeros that
// are said to be in use.
func (w *Writer) Tight() bool {
	n, behind := w.least, int64(0) // spans up to there are counted
	for r := range w.index.Used.All() {
		end := spans(r.End)
		n += max(0, end-max(behind, r.Off/Span)) * leastFrame
		behind = max(behind, end)
	}
	return n > cmp.Or(w.limit, maxIndex)
}

// leastFrame is what the index has of a span that is not empty, in bytes: its
// digest, its kind and its size.
const leastFrame = int64(len(Digest{})) + 2

func uvarintLen(v int64) int64 { return int64(bits.Len64(uint64(v)|1)+6) / 7 }

// Lose takes a range that could not be read out of what the image says it holds. Its
// span must not have been appended yet, with anything but zeros there.
func (w *Writer) Lose(r extent.Range) { w.index.Used.Remove(r) }

// Note adds to Meta.Notes.
func (w *Writer) Note(note string) { w.index.Meta.Notes = append(w.index.Meta.Notes, note) }

// Append adds the next span. After an error the writer is of no use.
func (w *Writer) Append(p Packed) error {
	if w.err != nil {
		return w.err
	}
	if w.next == w.index.Spans() {
		w.err = fmt.Errorf("write image: more than its %d spans", w.next)
		return w.err
	}
	if p.Kind == Empty {
		w.next++
		if w.run++; w.run == MaxRun {
			w.flush()
		}
		return w.err
	}
	w.flush()
	w.put(Frame{Kind: p.Kind, First: w.next, Count: 1, Digest: p.Digest}, p.Frame)
	w.next++
	return w.err
}

// flush writes the empty spans that wait.
func (w *Writer) flush() {
	if w.run == 0 {
		return
	}
	f := Frame{Kind: Empty, First: w.next - w.run, Count: w.run}
	w.run = 0
	w.put(f, emptyFrame(w.index.Range(f).Len()))
}

func (w *Writer) put(f Frame, data []byte) {
	if w.err != nil {
		return
	}
	f.Off, f.Stored = w.index.end, int64(len(data))
	w.index.end += f.Stored
	w.index.frames = append(w.index.frames, f)
	w.least += uvarintLen(f.Count << 2)
	if f.Kind != Inherited {
		w.least += uvarintLen(f.Stored)
	}
	if f.Kind != Empty {
		w.least += int64(len(f.Digest))
	} else if f.Count == MaxRun {
		w.full++
	}
	if w.full > maxEmpty {
		w.err = fmt.Errorf("the image has more than %d full runs of empty spans, and no more are ever read: this disk is too large for one image (save its partitions alone)", maxEmpty)
		return
	}
	if w.err = w.fits(); w.err != nil {
		return
	}
	if len(data) > 0 {
		_, w.err = w.w.Write(data)
	}
}

// Close writes the index and gives it. It does not close what is written to.
func (w *Writer) Close() (*Index, error) {
	w.flush()
	if w.err == nil && w.next != w.index.Spans() {
		w.err = fmt.Errorf("write image: only %d of its %d spans", w.next, w.index.Spans())
	}
	if w.err == nil && w.index.meta == nil {
		w.index.meta, w.err = w.index.Meta.encode()
	}
	if w.err != nil {
		return nil, w.err
	}
	if w.err = w.index.write(w.w, cmp.Or(w.limit, maxIndex)); w.err != nil {
		return nil, w.err
	}
	return w.index, nil
}

// write writes the index with its footer, if anyone can read it.
func (x *Index) write(w io.Writer, most int64) error {
	if n := int64(len(x.meta)); n > maxMeta {
		return &TooLargeError{"description", n, maxMeta}
	}
	b := x.encode()
	if n := int64(len(b) - headerSize - footerSize); n > most {
		return &TooLargeError{"index", n, most}
	}
	_, err := w.Write(b)
	return err
}

// WriteIndex writes x as the end of a file whose frames are there already: a
// copy with another signature.
func WriteIndex(w io.Writer, x *Index) error {
	return x.write(w, maxIndex)
}
