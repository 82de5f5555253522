package layout

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/btrfs"
	"github.com/orbit-pxe/orbit/pkg/fsmap/exfat"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/fat"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ntfs"
	"github.com/orbit-pxe/orbit/pkg/fsmap/swap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// mapper reads one family of formats.
type mapper struct {
	kind string
	read func(io.ReaderAt, int64) (*fsmap.Map, error)
}

// mappers are all asked about every volume: if two of them know it, neither
// can be believed.
var mappers = [...]mapper{
	{"ext", ext.Map}, {"xfs", xfs.Map}, {"btrfs", btrfs.Map}, {"vfat", fat.Map}, {"exfat", exfat.Map},
	{"ntfs", ntfs.Map}, {"swap", swap.Map}, {"lvm2", lvm.Map},
}

// try gives nil for what the mapper does not know at all.
func (m mapper) try(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	found, err := m.read(r, size)
	switch {
	case errors.Is(err, fsmap.ErrUnknown):
		return nil, nil
	case err != nil:
		return nil, err
	case found.Size > size || found.Used.End() > found.Size:
		return nil, fsmap.Unsafef(found.Kind, "it uses %d bytes of %d, on %d", found.Used.End(), found.Size, size)
	}
	return found, nil
}

// part looks at one partition, or at the disk as a whole, and adds it to the
// layout. An opaque one is not looked into.
func (d *disk) part(p Part, opaque bool) error {
	p.Size = p.Range.Len()
	r := io.NewSectionReader(d.r, p.Range.Off, p.Size)
	used, err := d.volume(&p, r, opaque)
	if err != nil {
		return err
	}
	d.Parts = append(d.Parts, p)
	d.used = append(d.used, used.Shift(p.Range.Off))
	return nil
}

// volume looks into a partition or logical volume, tells in p what is there
// and gives what of it is in use.
func (d *disk) volume(p *Part, r io.ReaderAt, opaque bool) (extent.Set, error) {
	p.Covers = p.Size
	doubt := func(reason string, warn bool) extent.Set {
		p.Note, p.Whole, p.Used = reason, true, p.Size
		if warn {
			d.warn(p, reason+"; saved whole")
		}
		return extent.NewSet(extent.Range{End: p.Size})
	}
	if opaque {
		return doubt("what its type promises is not looked into", !quiet(p.Type)), nil
	}
	m, reason, err := d.identify(p, r)
	if err != nil {
		return extent.Set{}, err
	}
	if m == nil {
		return doubt(reason, d.lost == "" && !quiet(p.Type)), nil
	}
	p.Kind, p.Label, p.UUID = m.Kind, m.Label, m.UUID
	if m.Kind == "lvm2" && d.nested {
		return doubt("a physical volume in a logical one", true), nil
	}
	notes := m.Notes
	if m.Unclean && len(notes) == 0 {
		notes = []string{"it was not unmounted"}
	}
	used := m.Used
	if m.Kind == "lvm2" {
		if used, err = d.logical(p, r, used); err != nil {
			return extent.Set{}, err
		}
	}
	p.Covers = m.Size
	used, dropped := behind(used, m.Size, p.Size)
	if dropped > 0 {
		notes = append(notes, fmt.Sprintf("it ends %s before its place does", units.Bytes(p.Size-m.Size)))
	}
	p.Note, p.Used = strings.Join(notes, "; "), used.Len()
	return used, nil
}

// identify gives the map of a volume, or a reason why there is none to trust.
func (d *disk) identify(p *Part, r io.ReaderAt) (*fsmap.Map, string, error) {
	strange := foreigners(r, p.Size)
	if (p.Number > 0 || d.nested) && partitioned(r) {
		strange = append(strange, foreigner{words: "a disk with partitions of its own"})
	}
	var maps []*fsmap.Map
	var reasons, kinds []string
	for _, m := range mappers {
		found, err := m.try(r, p.Size)
		if err := d.ctx.Err(); err != nil {
			return nil, "", err
		}
		var unsafe *fsmap.UnsafeError
		switch {
		case errors.As(err, &unsafe):
			reasons, kinds = append(reasons, unsafe.Reason), append(kinds, unsafe.Kind)
		case err != nil:
			reasons, kinds = append(reasons, err.Error()), append(kinds, m.kind)
		case found != nil:
			maps, kinds = append(maps, found), append(kinds, found.Kind)
		}
	}
	for _, f := range strange {
		if f.suspended {
			d.lost = "a suspended system lies in a swap area, " + p.Name
		}
	}
	switch {
	case len(strange) > 0:
		p.Kind = strange[0].kind
		reason := "is " + strange[0].words
		if len(kinds) > 0 {
			reason += ", and looks like " + strings.Join(kinds, " and ") + " too"
		}
		return nil, reason, nil
	case len(kinds) > 1:
		return nil, "looks like " + strings.Join(kinds, " and like "), nil
	case len(reasons) > 0:
		p.Kind = kinds[0]
		return nil, reasons[0], nil
	case len(maps) == 0:
		return nil, "nothing that is known is in it", nil
	}
	return maps[0], "", nil
}

// partitioned tells whether a volume has a partition table, as the disk of a
// virtual machine in a logical volume does. That of filesystems' boot sectors
// is empty.
func partitioned(r io.ReaderAt) bool {
	table, err := partition.Read(r, 512)
	return err != nil || table.GPT != nil || !unpartitioned(table.Partitions)
}

// behind adds to what a filesystem of size bytes uses what is to be kept of
// the rest of its volume, and tells how much is not.
func behind(used extent.Set, size, volume int64) (extent.Set, int64) {
	from, to := size+size/32+mib, volume-mib
	if from >= to {
		from, to = volume, volume
	}
	used = used.Clone()
	used.Add(extent.Range{Off: size, End: from})
	used.Add(extent.Range{Off: to, End: volume})
	return used, to - from
}

// warn says something about a part, for a person to read.
func (d *disk) warn(p *Part, text string) {
	name := p.Name
	if p.Kind != "" {
		name += " (" + p.Kind + ")"
	}
	d.Warnings = append(d.Warnings, name+": "+text)
}
