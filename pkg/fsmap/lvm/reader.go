package lvm

import (
	"fmt"
	"io"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Allocated is the bytes of the physical volume that belong to l.
func (l *LV) Allocated() extent.Set {
	ranges := make([]extent.Range, len(l.Pieces))
	for i, p := range l.Pieces {
		ranges[i] = p.Range
	}
	return extent.NewSet(ranges...)
}

// Reader reads a Linear logical volume from the physical one.
func (l *LV) Reader(pv io.ReaderAt) io.ReaderAt { return &reader{pv, l} }

type reader struct {
	pv io.ReaderAt
	lv *LV
}

func (r *reader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read logical volume %s at byte %d: before its beginning", r.lv.Name, off)
	}
	n := 0
	for i := r.lv.piece(off); i < len(r.lv.Pieces) && n < len(b); i++ {
		p := r.lv.Pieces[i]
		at := off + int64(n) - p.Off
		part := b[n:]
		part = part[:min(int64(len(part)), p.Range.Len()-at)]
		m, err := r.pv.ReadAt(part, p.Range.Off+at)
		n += m
		if m < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// piece is the index of the first piece that ends behind off.
func (l *LV) piece(off int64) int {
	return sort.Search(len(l.Pieces), func(i int) bool {
		p := l.Pieces[i]
		return p.Off+p.Range.Len() > off
	})
}

// Place gives where on the physical volume bytes of a Linear logical volume
// are.
func (l *LV) Place(s extent.Set) extent.Set {
	var out []extent.Range
	for _, p := range l.Pieces {
		for r := range s.Within(extent.Range{Off: p.Off, End: p.Off + p.Range.Len()}) {
			out = append(out, r.Shift(p.Range.Off-p.Off))
		}
	}
	return extent.NewSet(out...)
}
