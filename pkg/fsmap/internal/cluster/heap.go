// Package cluster holds what FAT, exFAT and NTFS have in common: a part of the
// volume that is divided into clusters, and which of them are in use.
package cluster

import (
	"encoding/binary"
	"math/bits"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Heap is the part of a volume that is divided into clusters, counted from 0.
// Off, Size and Count*Size are bytes; their sum fits the volume.
type Heap struct {
	Off   int64 // where cluster 0 begins
	Size  int64 // of a cluster
	Count int64 // clusters
}

// Range is the bytes of n clusters from first on, as far as there are that many.
func (h Heap) Range(first, n int64) extent.Range {
	if first < 0 || first >= h.Count || n <= 0 {
		return extent.Range{}
	}
	n = min(n, h.Count-first)
	return extent.Range{Off: h.Off + first*h.Size, End: h.Off + (first+n)*h.Size}
}

// End is the end of the last cluster.
func (h Heap) End() int64 { return h.Off + h.Size*h.Count }

// maxRanges bounds the memory of a set: 16 MiB.
const maxRanges = 1 << 20

// Used collects the clusters in use. Where they are in more pieces than memory
// should be spent on, small gaps between them are taken for used as well.
type Used struct {
	heap  Heap
	set   extent.Set
	limit int
}

// NewUsed is a collection that is still empty.
func NewUsed(h Heap) *Used { return &Used{heap: h, limit: maxRanges} }

// Add takes n clusters from first on, none of them before the first of those
// added last.
func (u *Used) Add(first, n int64) {
	u.set.Add(u.heap.Range(first, n))
	for grain := u.heap.Size; u.set.Count() > u.limit; {
		for u.set.Count() > u.limit/2 {
			grain *= 2
			u.set = u.set.Align(grain).Intersect(extent.NewSet(extent.Range{End: u.heap.End()}))
		}
	}
}

// Bitmap takes the clusters from first on whose bits are set, the lowest bit
// of each byte first. len(b) is a multiple of 8.
func (u *Used) Bitmap(first int64, b []byte) {
	for ; len(b) >= 8; b, first = b[8:], first+64 {
		w := binary.LittleEndian.Uint64(b)
		for at := 0; w != 0; {
			skip := bits.TrailingZeros64(w)
			w >>= skip
			run := bits.TrailingZeros64(^w)
			u.Add(first+int64(at+skip), int64(run))
			w >>= run
			at += skip + run
		}
	}
}

// Set is what was collected.
func (u *Used) Set() extent.Set { return u.set }
