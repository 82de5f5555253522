package partition

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/order"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// FitError reports a disk that is too small for a table.
type FitError struct {
	Number int    // the first partition that does not fit; 0: the table itself
	Name   string // its name, or its type in words
	Start  int64  // where it begins, bytes
	Needs  int64  // bytes from there on
	Limit  int64  // up to where partitions may reach on the disk, bytes
	Disk   int64  // size of the disk, bytes
}

func (e *FitError) Error() string {
	switch {
	case e.Number == 0:
		return fmt.Sprintf("fit partition table: a disk of %s has no room for the table", units.Bytes(e.Disk))
	case e.Start >= e.Limit:
		return fmt.Sprintf("fit partition table: partition %d (%s) begins at %s, the disk has room up to %s", e.Number, e.Name, units.Bytes(e.Start), units.Bytes(e.Limit))
	}
	return fmt.Sprintf("fit partition table: partition %d (%s) begins at %s and needs %s, the disk has room up to %s: %s are missing",
		e.Number, e.Name, units.Bytes(e.Start), units.Bytes(e.Needs), units.Bytes(e.Limit), units.Bytes(e.Start+e.Needs-e.Limit))
}

// Fit is the table for a disk of another size. needed says of each partition
// up to which of its bytes it must stay, by number; one that is not named
// stays whole. A filesystem has to be counted with the size that its
// superblock tells, not with what it uses: it refuses to be mounted from less.
//
// A GPT's backup moves to the end of the disk, and the usable area with it. A
// partition that would reach beyond is cut at the last whole MiB, with the
// extended partition around it if it is a logical one. Nothing else changes,
// and t itself does not. What does not fit is a *[FitError].
//
// On a larger disk the place of t's backup becomes part of the usable area:
// do not write it, or erase it (see Regions).
func (t *Table) Fit(diskSize int64, needed map[int]int64) (*Table, error) {
	n, err := t.clone()
	if err != nil {
		return nil, fmt.Errorf("fit partition table: %w", err)
	}
	if n.Scheme == SchemeNone || n.GPT != nil && n.End == diskSize {
		return n, nil
	}
	limit := n.limit(diskSize)
	if n.GPT != nil && limit <= n.GPT.Header.FirstUsable*int64(n.SectorSize) || limit == 0 {
		return nil, &FitError{Disk: diskSize, Limit: limit}
	}
	parts := slices.Clone(n.Partitions)
	order.Stable(parts, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
	for _, p := range parts {
		if p.Extended || p.End() <= limit {
			continue
		}
		need := p.Size
		if b, ok := needed[p.Number]; ok {
			need = min(max(b, int64(n.SectorSize)), p.Size)
		}
		if err := n.cut(p, need, limit, diskSize); err != nil {
			return nil, err
		}
	}
	if n.MBR != nil {
		if err := n.cutContainers(limit, diskSize); err != nil {
			return nil, err
		}
		return n.refresh(), nil
	}
	if err := n.GPT.MoveBackup(diskSize); err != nil {
		return nil, err
	}
	return n.refresh(), nil
}

// cut ends p at the limit, or before it at a whole MiB.
func (t *Table) cut(p Partition, need, limit, diskSize int64) error {
	if need > limit-p.Start {
		name := p.Name
		if name == "" {
			name = TypeName(p.Type)
		}
		return &FitError{Number: p.Number, Name: name, Start: p.Start, Needs: need, Limit: limit, Disk: diskSize}
	}
	t.resize(p.Number, alignDown(limit, p.Start+need))
	return nil
}

// cutContainers cuts the extended partitions behind their last logical one.
func (t *Table) cutContainers(limit, diskSize int64) error {
	ss := int64(t.SectorSize)
	for _, c := range t.Partitions {
		if !c.Extended || c.End() <= limit {
			continue
		}
		need := ss
		for _, e := range t.MBR.Chain {
			if e.Base*ss == c.Start {
				need = max(need, (e.LBA+1)*ss-c.Start)
			}
		}
		for _, p := range t.MBR.places() {
			if p.ebr >= 0 && t.MBR.Chain[p.ebr].Base*ss == c.Start {
				r := p.record()
				need = max(need, (p.base+int64(r.Start)+int64(r.Sectors))*ss-c.Start)
			}
		}
		if err := t.cut(c, need, limit, diskSize); err != nil {
			return err
		}
	}
	return nil
}
