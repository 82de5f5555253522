package partition

import (
	"errors"
	"fmt"
)

// Grow is the table for a disk of diskSize bytes with one partition as large
// as can be: up to the next one, or the end of the disk, in whole MiB. Number 0
// is the partition that begins last. A logical partition that is the last one
// of its extended partition takes that with it. Where there is no room the
// partition stays as it is, which is no error. A GPT fits itself to the disk
// first, as Fit does with nothing to be cut. t itself does not change.
func (t *Table) Grow(number int, diskSize int64) (*Table, error) {
	n, err := t.Fit(diskSize, nil)
	if err != nil {
		return nil, err
	}
	p, ok := n.Partition(number)
	if number == 0 {
		p, ok = n.last()
	}
	switch {
	case !ok && number == 0:
		return nil, errors.New("grow partition: the disk has none")
	case !ok:
		return nil, fmt.Errorf("grow partition: there is no partition %d", number)
	}
	limit := n.limit(diskSize)
	if n.GPT != nil {
		limit = (n.GPT.Header.LastUsable + 1) * int64(n.SectorSize)
	}
	if n.MBR != nil && p.Number > 4 {
		n.growLogical(p, limit)
	} else if end := n.room(p, limit); end > p.End() {
		n.resize(p.Number, end)
	}
	return n.refresh(), nil
}

// last is the partition with data that begins last.
func (t *Table) last() (Partition, bool) {
	var last Partition
	found := false
	for _, p := range t.Partitions {
		if !p.Extended && (!found || p.Start > last.Start) {
			last, found = p, true
		}
	}
	return last, found
}

// room is the end that a partition, not a logical one, can have.
func (t *Table) room(p Partition, limit int64) int64 {
	for _, o := range t.Partitions {
		logical := t.MBR != nil && o.Number > 4
		if o.Number != p.Number && !logical && o.Start >= p.Start {
			limit = min(limit, o.Start)
		}
	}
	return max(limit-limit%alignment, p.End())
}

// growLogical grows a logical partition, and its container if need be.
func (t *Table) growLogical(p Partition, limit int64) {
	ss := int64(t.SectorSize)
	var own EBR
	for _, o := range t.MBR.places() {
		if o.number == p.Number {
			own = t.MBR.Chain[o.ebr]
		}
	}
	c, ok := t.container(own.Base)
	if !ok {
		return
	}
	end := t.room(c, limit)
	for _, e := range t.MBR.Chain {
		if e.LBA*ss > p.Start {
			end = min(end, e.LBA*ss)
		}
	}
	for _, o := range t.Partitions {
		if o.Number > 4 && o.Number != p.Number && o.Start >= p.Start {
			end = min(end, o.Start)
		}
	}
	if end -= end % alignment; end <= p.End() {
		return
	}
	t.resize(p.Number, end)
	if end > c.End() {
		t.resize(c.Number, end)
	}
}
