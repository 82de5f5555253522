package adapt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// last is the word for the partition that ends last.
const last = "last"

// grow makes a partition and what is on it reach to the end of the disk.
func grow(ctx context.Context, disk, which string, note func(string)) error {
	table, parts, err := readDisk(disk)
	if err != nil {
		return err
	}
	p, err := choose(parts, which)
	if err != nil {
		return err
	}
	// Before the table is changed: a larger partition with the old filesystem
	// in it helps nobody.
	if err := p.growable(); err != nil {
		return err
	}
	if p.Number != 0 {
		if err := growPartition(ctx, disk, table, p); err != nil {
			return err
		}
	}
	size, err := p.size()
	if err != nil {
		return err
	}
	before := p.Covers
	if p.target(size) <= before {
		note(fmt.Sprintf("the %s on %s fills it already, %s", p.Kind, p.path, units.Bytes(before)))
		return nil
	}
	if err := resize(p, size); err != nil {
		return err
	}
	if err := p.probe(); err != nil {
		return err
	}
	if p.Covers == before {
		note(fmt.Sprintf("the %s on %s cannot use the last %s, and stays at %s", p.Kind, p.path, units.Bytes(size-before), units.Bytes(before)))
		return nil
	}
	note(fmt.Sprintf("the %s on %s has grown from %s to %s", p.Kind, p.path, units.Bytes(before), units.Bytes(p.Covers)))
	return nil
}

// choose finds the partition that which names: "last", a number, the name it
// has in the partition table, or the label of the filesystem on it.
func choose(parts []*part, which string) (*part, error) {
	var found []*part
	number, err := strconv.Atoi(which)
	for _, p := range parts {
		switch {
		case which == last:
			if len(found) == 0 || p.Start > found[0].Start {
				found = []*part{p}
			}
		case err == nil && p.Number == number, err != nil && (p.Name == which || p.Label == which):
			found = append(found, p)
		}
	}
	var all []string
	for _, p := range parts {
		all = append(all, p.String())
	}
	switch {
	case len(found) > 1:
		return nil, fmt.Errorf("more than one partition is called %q: say its number", which)
	case len(found) == 0:
		return nil, fmt.Errorf("no partition is %q: there are %s", which, strings.Join(all, ", "))
	}
	return found[0], nil
}

// growPartition writes the partition table in which p ends at the disk's end.
func growPartition(ctx context.Context, disk string, table *partition.Table, p *part) (err error) {
	dev, err := blockdev.Open(disk, blockdev.Options{Write: true, Exclusive: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	larger, err := table.Grow(p.Number, dev.Size())
	if err != nil {
		return err
	}
	if q, ok := larger.Partition(p.Number); !ok || q.Size == p.Partition.Size {
		return nil
	}
	pieces := larger.Pieces()
	// From the last to the first: of a GPT there is always one that is whole.
	for i := len(pieces) - 1; i >= 0; i-- {
		if _, err := dev.WriteAt(pieces[i].Data, pieces[i].Off); err != nil {
			return fmt.Errorf("grow partition %d: %w", p.Number, err)
		}
		if err := dev.Sync(); err != nil {
			return fmt.Errorf("grow partition %d: %w", p.Number, err)
		}
	}
	return dev.Reread(ctx)
}

// size is the size in bytes of the partition as the kernel sees it now.
func (p *part) size() (int64, error) {
	f, err := os.Open(p.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Seek(0, 2)
}
