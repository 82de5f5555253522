package layout

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/order"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

const (
	mib      = 1 << 20
	headKeep = 32 * mib // before the first partition
	gapKeep  = mib      // at both ends of every other gap
	maxParts = 256      // more are no disk of anyone's
)

// area is a range of the disk with a claim on it.
type area struct {
	extent.Range
	name string
	part bool // a partition, not a piece of the table
}

// partitions reads a disk that has some, or an empty GPT.
func (d *disk) partitions() error {
	var parts []partition.Partition
	for _, p := range d.Table.Partitions {
		if !p.Extended {
			parts = append(parts, p)
		}
	}
	areas, reason := d.areas(parts)
	if reason == "" {
		var err error
		if reason, err = d.beside(areas); err != nil {
			return err
		}
	}
	if reason != "" {
		d.lost = reason
		return nil
	}
	for _, p := range parts {
		part := Part{
			Name: fmt.Sprintf("partition %d", p.Number), Number: p.Number,
			Range: extent.Range{Off: p.Start, End: p.End()}, Type: partition.TypeName(p.Type),
		}
		if err := d.part(part, opaque(p.Type)); err != nil {
			return err
		}
	}
	d.gaps(areas)
	return d.hybrid(parts)
}

// areas lists partitions and pieces of the table, in order; a reason says why
// they cannot all be right.
func (d *disk) areas(parts []partition.Partition) (areas []area, reason string) {
	if len(parts) > maxParts {
		return nil, fmt.Sprintf("it has %d partitions, more than %d are not looked at", len(parts), maxParts)
	}
	for _, p := range parts {
		areas = append(areas, area{extent.Range{Off: p.Start, End: p.End()}, fmt.Sprintf("partition %d", p.Number), true})
	}
	for _, r := range d.Table.Regions() {
		areas = append(areas, area{extent.Range{Off: r.Offset, End: r.Offset + r.Size}, "the partition table", false})
	}
	if m := d.Table.MBR; m != nil {
		for _, e := range m.Chain {
			off := e.LBA * int64(d.Sector)
			areas = append(areas, area{extent.Range{Off: off, End: off + int64(d.Sector)}, "an extended boot record", false})
		}
	}
	order.Stable(areas, func(a, b area) int { return cmp.Compare(a.Off, b.Off) })
	for i, a := range areas {
		switch {
		case a.Empty() || a.Off < 0 || a.End > d.Size:
			return nil, fmt.Sprintf("%s, bytes %d to %d, is not within the disk of %d bytes", a.name, a.Off, a.End, d.Size)
		case i > 0 && areas[i-1].End > a.Off:
			return nil, fmt.Sprintf("%s and %s overlap", areas[i-1].name, a.name)
		}
	}
	return areas, ""
}

// beside gives a reason where the disk as a whole is something in spite of its
// partitions. What lies within one of them is looked at there.
func (d *disk) beside(areas []area) (string, error) {
	inside := func(off int64) bool {
		return slices.ContainsFunc(areas, func(a area) bool { return a.part && a.Off <= off && off < a.End })
	}
	for _, f := range foreigners(d.r, d.Size) {
		if !inside(f.off) {
			return fmt.Sprintf("it has partitions, and is %s too", f.words), nil
		}
	}
	for _, m := range mappers {
		found, err := m.try(d.r, d.Size)
		if err := d.ctx.Err(); err != nil {
			return "", err
		}
		if err != nil {
			return fmt.Sprintf("it has partitions, and may be a filesystem too: %v", err), nil
		}
		if found != nil {
			return fmt.Sprintf("it has partitions, and is a filesystem (%s) too", found.Kind), nil
		}
	}
	return "", nil
}

// gaps keeps the table, and what lies before, between and behind partitions.
func (d *disk) gaps(areas []area) {
	head := d.Size
	if i := slices.IndexFunc(areas, func(a area) bool { return a.part }); i >= 0 {
		head = areas[i].Off
	}
	d.kept = append(d.kept, extent.Range{End: min(head, headKeep)})
	end := int64(0)
	for _, a := range append(areas, area{Range: extent.Range{Off: d.Size, End: d.Size}}) {
		d.kept = append(d.kept,
			extent.Range{Off: end, End: min(end+gapKeep, a.Off)},
			extent.Range{Off: max(end, a.Off-gapKeep), End: a.Off})
		if !a.part {
			d.kept = append(d.kept, a.Range)
		}
		end = a.End
	}
	// Whether or not partitions reach it, of the disk's end nothing is lost.
	d.kept = append(d.kept, extent.Range{Off: max(0, d.Size-gapKeep), End: d.Size})
}

// hybrid keeps what only the MBR of a GPT disk calls a partition.
func (d *disk) hybrid(parts []partition.Partition) error {
	if d.Table.GPT == nil {
		return nil
	}
	m, err := partition.DecodeMBR(d.r, d.Sector)
	var broken *partition.FormatError
	switch {
	case errors.As(err, &broken):
		d.lost = broken.Error()
		return nil
	case err != nil:
		return err
	}
	for _, h := range m.Table().Partitions {
		if h.Type == "0xee" || slices.ContainsFunc(parts, func(p partition.Partition) bool { return p.Start == h.Start && p.Size == h.Size }) {
			continue
		}
		d.kept = append(d.kept, extent.Range{Off: h.Start, End: h.End()})
		d.Warnings = append(d.Warnings, fmt.Sprintf("partition %d of the hybrid MBR is none of the GPT; saved whole", h.Number))
	}
	return nil
}
