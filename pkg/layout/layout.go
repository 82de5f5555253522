package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// Layout is what a disk holds.
type Layout struct {
	Size     int64 // bytes
	Sector   int   // bytes
	Table    *partition.Table
	Used     extent.Set // of the disk
	Parts    []Part     // in the order of the table
	Warnings []string   // in words, such as "partition 2 (ext4): ...; saved whole"
}

// Part is a partition, a logical volume, or a disk without partitions.
type Part struct {
	Name        string       // "partition 2", "logical volume vg/root", "whole disk"
	Number      int          // as in sda2, 0 for what is not a partition
	Range       extent.Range // on the disk; of a logical volume: zero, it may be in pieces
	Size        int64        // bytes
	Covers      int64        // bytes from its beginning that its content is made for; Size where that is not known
	Type        string       // of the partition, in words
	Kind        string       // ext4, lvm2, crypto_LUKS, ... as blkid says; empty if unknown
	Label, UUID string       // of the filesystem
	Used        int64        // bytes to save
	Whole       bool         // all of it is saved, since it is not understood
	Note        string       // what a person should know
	Volumes     []Part       // logical volumes of an LVM2 physical volume
}

// Read reads the layout of a disk of size bytes with sectors of so many. An
// error means that the disk cannot be read at all, or that ctx is done;
// everything else that is wrong with it makes more of it used, and a warning.
func Read(ctx context.Context, r io.ReaderAt, size int64, sector int) (*Layout, error) {
	if size < 0 {
		return nil, fmt.Errorf("read disk layout: a disk of %d bytes", size)
	}
	d := &disk{ctx: ctx, r: &reader{ctx, r}, Layout: &Layout{Size: size, Sector: sector}}
	err := d.read()
	if err == nil {
		err = ctx.Err() // whoever met it may have taken it for a bad sector
	}
	if err != nil {
		return nil, fmt.Errorf("read disk layout: %w", err)
	}
	return d.Layout, nil
}

// disk is the state of one reading.
type disk struct {
	*Layout
	ctx  context.Context
	r    io.ReaderAt
	kept []extent.Range // all but what is in parts
	used []extent.Set   // of each part, on the disk

	groups []group
	nested bool   // in a logical volume
	lost   string // why the whole disk is to be saved; empty: it is not
}

// reader fails once its context is done, in the middle of any filesystem.
type reader struct {
	ctx context.Context
	r   io.ReaderAt
}

func (r *reader) ReadAt(b []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(b, off)
}

func (d *disk) read() error {
	table, err := partition.Read(d.r, d.Sector)
	var broken *partition.FormatError
	switch {
	case errors.As(err, &broken):
		d.Table = &partition.Table{Scheme: partition.SchemeNone, SectorSize: d.Sector}
		d.lost = broken.Error()
		d.finish()
		return nil
	case err != nil:
		return err
	}
	d.Table = table
	if table.GPT == nil && unpartitioned(table.Partitions) {
		err = d.part(Part{Name: "whole disk", Range: extent.Range{End: d.Size}}, false)
	} else {
		err = d.partitions()
	}
	if err != nil {
		return err
	}
	d.finish()
	return nil
}

// unpartitioned tells whether an MBR, or none, says that the disk is one
// volume: it may have a boot sector without any partition, or with one that is
// the disk itself, as mkfs.fat writes it.
func unpartitioned(parts []partition.Partition) bool {
	return len(parts) == 0 || len(parts) == 1 && parts[0].Start == 0
}

// finish puts the map of the disk together.
func (d *disk) finish() {
	d.stale()
	disk := extent.Range{End: d.Size}
	if d.lost == "" {
		all := d.kept
		for _, s := range d.used {
			all = slices.AppendSeq(all, s.All())
		}
		d.Used = extent.NewSet(all...).Intersect(extent.NewSet(disk))
		return
	}
	d.Warnings = append(d.Warnings, "whole disk: "+d.lost+"; saved whole")
	d.Used = extent.NewSet(disk)
	if len(d.Parts) == 0 {
		d.Parts = []Part{{Name: "whole disk", Range: disk, Size: d.Size, Covers: d.Size, Note: d.lost}}
	}
	for i := range d.Parts {
		d.Parts[i].setWhole()
	}
}

func (p *Part) setWhole() {
	p.Whole, p.Used = true, p.Size
	for i := range p.Volumes {
		p.Volumes[i].setWhole()
	}
}
