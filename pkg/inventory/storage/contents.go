package storage

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/superblock"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// contents is what a disk holds.
type contents struct {
	table, id  string
	filesystem *hardware.Filesystem
	partitions []hardware.Partition
}

// look reads the partition table of a disk and the beginning of each partition.
// With an error, what was found before counts.
func look(r io.ReaderAt, d hardware.Disk) (c contents, err error) {
	t, err := partition.Read(r, max(d.Sector, 512))
	if err != nil {
		c.partitions = d.Partitions // as far as the kernel knows them
		if broken := (*partition.FormatError)(nil); errors.As(err, &broken) {
			if c.table = "gpt"; broken.Part == "mbr" || broken.Part == "extended boot record" {
				c.table = "mbr"
			}
		}
		return c, fmt.Errorf("read partition table: %w", err)
	}
	if t.Scheme == partition.SchemeNone {
		c.filesystem, err = filesystem(r, 0, d.Size)
		return c, err
	}
	c.table, c.id = string(t.Scheme), clean(strings.ToLower(t.ID))
	var errs []error
	var end int64 // of the last partition
	for _, p := range t.Partitions {
		part := hardware.Partition{
			ID: strconv.Itoa(p.Number), Start: p.Start, Size: p.Size,
			Type: strings.TrimPrefix(strings.ToLower(p.Type), "0x"), UUID: p.ID, Label: p.Name,
		}
		for _, k := range d.Partitions {
			if k.ID == part.ID {
				part.Name = k.Name
			}
		}
		if !p.Extended {
			if part.Filesystem, err = filesystem(r, p.Start, p.Size); err != nil {
				errs = append(errs, fmt.Errorf("partition %d: %w", p.Number, err))
			}
		}
		c.partitions = append(c.partitions, part)
		end = max(end, p.End())
	}
	// A controller or the kernel may have joined whole disks.
	member, err := superblock.Member(r, d.Size, end)
	c.filesystem = describe(member)
	return c, errors.Join(append(errs, err)...)
}

// put adds it to the disk's description.
func (c contents) put(d *hardware.Disk) {
	d.Table, d.TableID, d.Filesystem, d.Partitions = c.table, c.id, c.filesystem, c.partitions
}

func filesystem(r io.ReaderAt, start, size int64) (*hardware.Filesystem, error) {
	v, err := superblock.Probe(io.NewSectionReader(r, start, size), size)
	return describe(v), err
}

func describe(v superblock.Volume) *hardware.Filesystem {
	if v.Kind == "" {
		return nil
	}
	return &hardware.Filesystem{Type: v.Kind, UUID: v.UUID, Label: v.Label}
}
