package image

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Writer puts the spans of a disk into a file, first to last.
type Writer struct {
	w     io.Writer
	index *Index
	next  int64 // span
	run   int64 // of empty spans that are not written yet
	err   error
}

// NewWriter begins an image with what x says of Size, Sector, Used and Meta. More
// may be said until Close: see Lose and Note.
func NewWriter(w io.Writer, x Index) (*Writer, error) {
	if x.Size <= 0 || x.Used.End() > x.Size {
		return nil, fmt.Errorf("begin image: used up to byte %d of %d", x.Used.End(), x.Size)
	}
	x.frames, x.end, x.Signature, x.meta = nil, 0, nil, nil
	x.Used = x.Used.Clone()
	return &Writer{w: w, index: &x}, nil
}

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
	if _, w.err = w.w.Write(w.index.encode()); w.err != nil {
		return nil, w.err
	}
	return w.index, nil
}

// WriteIndex writes x as the end of a file whose frames are there already: a
// copy with another signature.
func WriteIndex(w io.Writer, x *Index) error {
	_, err := w.Write(x.encode())
	return err
}
