package imaging

import (
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// survey finds out which part of the disk is to be saved, and what of it is in
// use. What is not understood is in use, all of it.
func (s *save) survey(ctx context.Context) error {
	s.part = extent.Range{End: s.dev.Size()}
	s.sector = s.sectorSize()
	if s.o.Partition != 0 {
		if err := s.selectPartition(ctx); err != nil {
			return err
		}
	}
	from := s.reader(ctx, api.PlanStep)
	var err error
	s.layout, err = layout.Read(ctx, from, s.part.Len(), s.sector)
	if err != nil && s.o.Rescue && ctx.Err() == nil {
		s.tell(fmt.Sprintf("what is in use cannot be read (%v); saved whole", err))
		s.layout, err = unreadable(s.part.Len(), s.sector), nil
	}
	if err != nil {
		return fmt.Errorf("read what is in use on %s: %w", s.dev.Path(), err)
	}
	for _, w := range s.layout.Warnings {
		s.tell(w)
	}
	s.used = s.layout.Used
	if s.o.Whole || s.o.Format.copies() {
		s.used = extent.NewSet(extent.Range{End: s.part.Len()})
	}
	if s.o.Scrub {
		return s.scrub(ctx, from)
	}
	return nil
}

// unreadable is the layout of a disk that does not even tell its table.
func unreadable(size int64, sector int) *layout.Layout {
	whole := extent.Range{End: size}
	return &layout.Layout{
		Size: size, Sector: sector, Used: extent.NewSet(whole),
		Table: &partition.Table{Scheme: partition.SchemeNone, SectorSize: sector},
		Parts: []layout.Part{{Name: "whole disk", Range: whole, Size: size, Used: size, Whole: true}},
	}
}

// sectorSize is that of the disk. A file says nothing of it, but its table may.
func (s *save) sectorSize() int {
	if s.dev.IsFile() {
		head := make([]byte, min(headSize, s.dev.Size()))
		if readAll(s.dev, head, 0) == nil {
			if n, _ := partition.Sniff(head); n != 0 {
				return n
			}
		}
	}
	return s.dev.SectorSize()
}

// selectPartition makes one partition all there is.
func (s *save) selectPartition(ctx context.Context) error {
	table, err := partition.Read(s.reader(ctx, api.PlanStep), s.sector)
	if err != nil {
		return fmt.Errorf("find partition %d of %s: %w", s.o.Partition, s.dev.Path(), err)
	}
	for _, p := range table.Partitions {
		if p.Number == s.o.Partition && !p.Extended {
			s.part = extent.Range{Off: p.Start, End: min(p.End(), s.dev.Size())}
			return nil
		}
	}
	return fmt.Errorf("%s has no partition %d that holds data (%s)", s.dev.Path(), s.o.Partition, table.Summary())
}

// spanOf is where a span of the image is on the disk.
func (s *save) spanOf(i int64) extent.Range {
	return extent.Range{Off: i * image.Span, End: min((i+1)*image.Span, s.part.Len())}.Shift(s.part.Off)
}
