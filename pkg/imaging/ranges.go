package imaging

import (
	"iter"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
)

// gap is the most bytes between two used ranges that are read or written along
// with them: one transfer is cheaper than two.
const gap = 64 << 10

// spanRange is where a span of a disk is.
func spanRange(i int64) extent.Range {
	return extent.Range{Off: i * image.Span, End: (i + 1) * image.Span}
}

// closeBy gives the used parts of r, those close to each other as one, with
// the ends on whole pages where r allows it.
func closeBy(used extent.Set, r extent.Range) iter.Seq[extent.Range] {
	return func(yield func(extent.Range) bool) {
		var last extent.Range
		for part := range used.Within(r) {
			part = part.Align(4096).Intersect(r)
			if last.Empty() {
				last = part
			} else if part.Off-last.End <= gap {
				last.End = part.End
			} else {
				if !yield(last) {
					return
				}
				last = part
			}
		}
		if !last.Empty() {
			yield(last)
		}
	}
}
