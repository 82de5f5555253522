package image

import (
	"iter"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Index is what an image says of itself.
type Index struct {
	Size   int64      // bytes of the disk
	Sector int        // logical sector of the disk, bytes
	Used   extent.Set // what the disk must hold; the rest does not matter
	Meta   Meta       // for people and programs that list images

	Signature []byte // of Root, as minisign writes it; nil for none

	frames []Frame
	meta   []byte // Meta as stored, which the root covers
	end    int64  // bytes of all frames
}

// Kind is what a frame holds.
type Kind uint8

const (
	Data      Kind = iota // one span
	Empty                 // spans whose used bytes are all zeros
	Inherited             // one span that only the parent image has
)

// Frame is where one span, or a run of empty ones, is in the file.
type Frame struct {
	Kind   Kind
	First  int64  // span
	Count  int64  // of spans, 1 but for Empty
	Off    int64  // in the file, bytes
	Stored int64  // in the file, bytes; 0 for Inherited
	Digest Digest // of the span; unset for Empty
}

// Frames gives all frames, in the order of the disk and of the file.
func (x *Index) Frames() []Frame { return x.frames }

// Spans is how many spans the disk has; the last may be short.
func (x *Index) Spans() int64 { return spans(x.Size) }

func spans(size int64) int64 { return (size + Span - 1) / Span }

// SpanRange is where span i is on the disk.
func (x *Index) SpanRange(i int64) extent.Range {
	return extent.Range{Off: i * Span, End: min((i+1)*Span, x.Size)}
}

// Range is where the spans of f are on the disk.
func (x *Index) Range(f Frame) extent.Range {
	return extent.Range{Off: f.First * Span, End: min((f.First+f.Count)*Span, x.Size)}
}

// UsedIn gives the used parts of r, in order.
func (x *Index) UsedIn(r extent.Range) iter.Seq[extent.Range] { return x.Used.Within(r) }

// Find gives the frame that holds span i.
func (x *Index) Find(i int64) Frame {
	n := sort.Search(len(x.frames), func(k int) bool { return x.frames[k].First+x.frames[k].Count > i })
	return x.frames[n]
}

// DataEnd is where the frames end in the file and the index begins.
func (x *Index) DataEnd() int64 { return x.end }

// Partial tells an image of which some spans are only in its parent.
func (x *Index) Partial() bool {
	for _, f := range x.frames {
		if f.Kind == Inherited {
			return true
		}
	}
	return false
}

// Zeros is the used bytes that are all zeros, as far as whole spans are.
func (x *Index) Zeros() extent.Set {
	var s extent.Set
	for _, f := range x.frames {
		if f.Kind == Empty {
			for r := range x.UsedIn(x.Range(f)) {
				s.Add(r)
			}
		}
	}
	return s
}

// Mask zeros the bytes of a span that are not in use: its digest is that of
// what is left. data is what the disk holds at span i.
func (x *Index) Mask(i int64, data []byte) {
	r := x.SpanRange(i)
	Mask(x.Used, r, data)
}

// Mask zeros the bytes of data, which lie at r, that are not in used.
func Mask(used extent.Set, r extent.Range, data []byte) {
	at := r.Off
	for u := range used.Within(r) {
		clear(data[at-r.Off : u.Off-r.Off])
		at = u.End
	}
	clear(data[at-r.Off:])
}

// Signed is what a signature of the image signs: a line of text with the root,
// so that other tools can make and check one too.
func Signed(root Digest) []byte { return []byte("orbit image " + root.String() + "\n") }
