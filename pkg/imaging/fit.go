package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// fit changes an image that is larger than a disk of room bytes into one that
// fits, where its filesystems end early enough: partitions are cut, none is
// moved, and no filesystem is made smaller. It gives what changes, in words.
// The error tells what does not fit.
func (m *source) fit(ctx context.Context, room int64) (string, error) {
	small := &TooSmallError{Have: room, Want: m.size()}
	if !m.anyOrder() || m.table.Scheme == partition.SchemeNone {
		return "", small // a stream cannot be told where to end, nor a filesystem on the whole disk
	}
	needed := map[int]int64{}
	if m.index != nil {
		for _, p := range m.index.Meta.Parts {
			if p.Number > 0 && p.Covers > 0 {
				needed[p.Number] = p.Covers
			}
		}
	}
	table, err := m.table.Fit(room, needed)
	if err != nil {
		return "", errors.Join(small, err)
	}
	if err := m.cut(ctx, table, room); err != nil {
		return "", errors.Join(small, err)
	}
	m.table = table
	return "partitions are cut to fit a smaller disk: " + table.Summary(), nil
}

// cut takes out of what has to be written all that the new table has no place
// for. That must be zeros, but for tables: nobody may miss it.
func (m *source) cut(ctx context.Context, table *partition.Table, room int64) error {
	lost := extent.NewSet(extent.Range{Off: room, End: m.length})
	for _, p := range m.table.Partitions {
		if now, ok := table.Partition(p.Number); ok && !p.Extended {
			lost.Add(extent.Range{Off: now.End(), End: p.End()})
		}
	}
	lost = lost.Intersect(m.used)
	var tables extent.Set
	for _, r := range m.table.Regions() {
		tables.Add(extent.Range{Off: r.Offset, End: r.Offset + r.Size})
	}
	lost = lost.Subtract(tables)
	at := m.readerAt(ctx)
	for r := range lost.All() {
		for off := r.Off; off < r.End; off += image.Span {
			data := make([]byte, min(image.Span, r.End-off))
			if _, err := at.ReadAt(data, off); err != nil {
				return err
			}
			if !isZeroAll(data) {
				return fmt.Errorf("the image has something between %s and %s", units.Bytes(off), units.Bytes(off+int64(len(data))))
			}
		}
	}
	lost.Add(extent.Range{Off: room, End: m.length})
	m.used = m.used.Subtract(lost)
	return m.digestAgain(at, tables.Intersect(lost))
}

// digestAgain computes the digests of spans of which something that is not zeros
// is no longer in use.
func (m *source) digestAgain(at io.ReaderAt, gone extent.Set) error {
	if m.index == nil {
		return nil
	}
	m.frames = slices.Clone(m.frames)
	for i, f := range m.frames {
		r := m.rangeOf(f)
		if f.Kind != image.Data || !gone.Overlaps(r) {
			continue
		}
		data := make([]byte, r.Len())
		if _, err := at.ReadAt(data, r.Off); err != nil {
			return err
		}
		image.Mask(m.used, r, data)
		m.frames[i].Digest = image.Sum(data)
	}
	return nil
}

// fitTable is the image's table as it has to be on this disk: the backup of a
// GPT goes where the disk ends. It gives nil where all that is held back is right as it
// is.
func (w *write) fitTable() ([]partition.Piece, error) {
	t := w.source.table
	if w.plan.Cut != "" {
		return t.Pieces(), nil
	}
	disk := w.dev.Size()
	if t.GPT == nil || t.GPT.End() == disk || w.target.file && w.target.room == unlimited {
		return nil, nil
	}
	t, err := t.Fit(disk, nil)
	if err != nil {
		return nil, err
	}
	return t.Pieces(), nil
}
