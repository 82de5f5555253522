package qcow2

import (
	"context"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// maxRanges bounds the memory of Used: above it, ranges are rounded outwards.
const maxRanges = 1 << 20

// Used is the ranges of the disk that the image has data for; everything else
// reads as zeros. It reads all L2 tables, one read of the file each, in the
// order of the disk. Of an image with more than a million ranges small holes
// are counted as data.
func (m *Image) Used(ctx context.Context) (extent.Set, error) {
	return m.used(ctx, maxRanges)
}

func (m *Image) used(ctx context.Context, most int) (extent.Set, error) {
	var s extent.Set
	grain := int64(1)
	span := m.h.cluster() * m.h.l2Entries()
	for i, l2 := range m.l1 {
		if l2 == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return extent.Set{}, err
		}
		t, err := m.table(l2)
		if err != nil {
			return extent.Set{}, err
		}
		for off, end := int64(i)*span, min(int64(i+1)*span, m.h.size); off < end; {
			at, err := m.entry(t, l2, off)
			if err != nil {
				return extent.Set{}, err
			}
			if at.kind != hole {
				s.Add(extent.Range{Off: off, End: at.end}.Align(grain).Intersect(extent.Range{End: m.h.size}))
			}
			off = at.end
		}
		for s.Count() > most {
			grain = max(2*grain, 2*sectorSize)
			s = s.Align(grain).Intersect(extent.NewSet(extent.Range{End: m.h.size}))
		}
	}
	return s, nil
}
