package imaging

import (
	"context"
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/order"
	"github.com/orbit-pxe/orbit/pkg/scrub"
)

// scrub leaves identity, secrets and logs out of the image: s.patch is what is
// read in place of what is on the disk, and the layout becomes that of the
// result. from is what is saved.
func (s *save) scrub(ctx context.Context, from io.ReaderAt) error {
	for _, p := range s.layout.Parts {
		if err := s.scrubPart(from, p); err != nil {
			return fmt.Errorf("scrub %s: %w (save it as it is, without --scrub, or mount it and clear it)", p.Name, err)
		}
	}
	order.Sort(s.patch.Replace, func(a, b scrub.Piece) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	if len(s.patch.Emptied)+len(s.patch.Removed) == 0 {
		s.tell("there was nothing to scrub")
		return nil
	}
	s.tell(fmt.Sprintf("scrubbed: %d files emptied, %d removed", len(s.patch.Emptied), len(s.patch.Removed)))
	var err error
	s.layout, err = layout.Read(ctx, s.patch.Reader(from), s.part.Len(), s.sector)
	if err != nil {
		return err
	}
	s.used = s.layout.Used
	return nil
}

// scrubPart scrubs one partition, if it has a filesystem that a system may be on.
func (s *save) scrubPart(from io.ReaderAt, p layout.Part) error {
	for _, v := range p.Volumes {
		switch v.Kind {
		case "ext2", "ext3", "ext4", "xfs", "btrfs":
			return fmt.Errorf("%s (%s) cannot be scrubbed", v.Name, v.Kind)
		}
	}
	volume := io.NewSectionReader(from, p.Range.Off, p.Range.Len())
	var found *scrub.Patch
	var err error
	switch p.Kind {
	case "ext2", "ext3", "ext4":
		found, err = scrub.Ext(volume, p.Range.Len())
	case "xfs":
		found, err = scrub.XFS(volume, p.Range.Len())
	case "btrfs":
		return fmt.Errorf("%s cannot be scrubbed", p.Kind)
	}
	if err != nil || found == nil {
		return err
	}
	s.patch.Zero = s.patch.Zero.Union(found.Zero.Shift(p.Range.Off))
	for _, piece := range found.Replace {
		s.patch.Replace = append(s.patch.Replace, scrub.Piece{Off: piece.Off + p.Range.Off, Data: piece.Data})
	}
	s.patch.Emptied = append(s.patch.Emptied, found.Emptied...)
	s.patch.Removed = append(s.patch.Removed, found.Removed...)
	return nil
}

// applyPatch changes data, which was read at r, as the patch says.
func applyPatch(p *scrub.Patch, r extent.Range, data []byte) {
	for z := range p.Zero.Within(r) {
		clear(data[z.Off-r.Off : z.End-r.Off])
	}
	for _, piece := range p.Replace {
		if in := r.Intersect(piece.Range()); !in.Empty() {
			copy(data[in.Off-r.Off:in.End-r.Off], piece.Data[in.Off-piece.Off:])
		}
	}
}
