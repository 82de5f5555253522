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
	table, id  string // "" without a table
	filesystem *hardware.Filesystem
	partitions []hardware.Partition
}

// put adds it to the disk's description.
func (c contents) put(d *hardware.Disk) {
	d.Table, d.TableID, d.Filesystem, d.Partitions = c.table, c.id, c.filesystem, c.partitions
}

// mostPartitions is what Linux has of one disk (DISK_MAX_PARTS). A table may list
// 32768, which would fill a small node's memory and more than a head takes.
const mostPartitions = 256

// readTable reads the partition table of a disk. With an error the partitions
// are those that the kernel knows.
func readTable(r io.ReaderAt, d hardware.Disk) (contents, error) {
	t, err := partition.Read(r, max(d.Sector, 512))
	if err != nil {
		c := contents{partitions: d.Partitions}
		if broken := (*partition.FormatError)(nil); errors.As(err, &broken) {
			if c.table = "gpt"; broken.Part == "mbr" || broken.Part == "extended boot record" {
				c.table = "mbr"
			}
		}
		return c, fmt.Errorf("read partition table: %w", err)
	}
	if t.Scheme == partition.SchemeNone {
		return contents{}, nil
	}
	c := contents{table: string(t.Scheme), id: clean(strings.ToLower(t.ID))}
	if n := len(t.Partitions); n > mostPartitions {
		t.Partitions = t.Partitions[:mostPartitions]
		err = fmt.Errorf("read partition table: the first %d of %d partitions are listed", mostPartitions, n)
	}
	for _, p := range t.Partitions {
		part := hardware.Partition{
			ID: strconv.Itoa(p.Number), Start: p.Start, Size: p.Size,
			Type: strings.TrimPrefix(strings.ToLower(p.Type), "0x"), UUID: p.ID, Label: superblock.Printable(p.Name),
		}
		for _, k := range d.Partitions {
			if k.ID == part.ID {
				part.Name = k.Name
			}
		}
		c.partitions = append(c.partitions, part)
	}
	return c, err
}

// recognise adds what lies on the partitions, or on the whole disk, to a copy
// of c. With an error, what was found nevertheless is there.
func (c contents) recognise(r io.ReaderAt, size int64) (contents, error) {
	if c.table == "" {
		v, err := superblock.Probe(r, size)
		c.filesystem = filesystem(v)
		return c, err
	}
	var errs []error
	var end int64 // of the last partition
	c.partitions = append([]hardware.Partition(nil), c.partitions...)
	for i := range c.partitions {
		p := &c.partitions[i]
		end = max(end, p.Start+p.Size)
		if c.table == "mbr" && (p.Type == "05" || p.Type == "0f" || p.Type == "85") {
			continue // a container of others
		}
		v, err := superblock.Probe(io.NewSectionReader(r, p.Start, p.Size), p.Size)
		if err != nil {
			errs = append(errs, fmt.Errorf("partition %s: %w", p.ID, err))
		}
		p.Filesystem = filesystem(v)
	}
	// A controller or the kernel may have joined whole disks.
	member, err := superblock.Member(r, size, end)
	c.filesystem = filesystem(member)
	return c, errors.Join(append(errs, err)...)
}

func filesystem(v superblock.Volume) *hardware.Filesystem {
	if v.Kind == "" {
		return nil
	}
	return &hardware.Filesystem{Type: v.Kind, UUID: v.UUID, Label: v.Label}
}
