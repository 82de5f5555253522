package image

import (
	"fmt"
	"io"
)

// File is an image whose index has been read.
type File struct {
	*Index
	io.ReaderAt
}

// ParentError reports that a span of a partial image is not in the image that
// is to be its parent.
type ParentError struct {
	Span int64 // that is missing, -1 if it is another image altogether
	Want Digest
	Got  Digest
}

func (e *ParentError) Error() string {
	if e.Span < 0 {
		return fmt.Sprintf("the parent of the image has the root %s, this one has %s", e.Want, e.Got)
	}
	return fmt.Sprintf("span %d with digest %s is not in the parent image", e.Span, e.Want)
}

// Assemble writes the whole image that a partial one and its parent make: what
// the partial one inherits is copied as the parent has it. The root stays that of the
// partial image.
func Assemble(w io.Writer, partial, parent File) (*Index, error) {
	if p := partial.Meta.Parent; p == nil || *p != parent.Root() {
		want := Digest{}
		if p != nil {
			want = *p
		}
		return nil, &ParentError{Span: -1, Want: want, Got: parent.Root()}
	}
	whole := *partial.Index
	whole.frames, whole.end = nil, 0
	out := &Writer{w: w, index: &whole}
	buf := make([]byte, MaxFrame)
	for _, f := range partial.frames {
		from, in := f, partial
		switch f.Kind {
		case Empty:
			for range f.Count {
				if err := out.Append(Packed{Kind: Empty}); err != nil {
					return nil, err
				}
			}
			continue
		case Inherited:
			if f.First >= parent.Spans() {
				return nil, &ParentError{Span: f.First, Want: f.Digest}
			}
			from, in = parent.Find(f.First), parent
			if from.Kind != Data || from.Digest != f.Digest || partial.SpanRange(f.First) != parent.SpanRange(f.First) {
				return nil, &ParentError{Span: f.First, Want: f.Digest, Got: from.Digest}
			}
		}
		if err := readFull(in, buf[:from.Stored], from.Off); err != nil {
			return nil, fmt.Errorf("read span %d: %w", f.First, err)
		}
		if err := out.Append(Packed{Kind: Data, Digest: f.Digest, Frame: buf[:from.Stored]}); err != nil {
			return nil, err
		}
	}
	return out.Close()
}
