package layout

import (
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm"
)

// group is a volume group as one physical volume of the disk knows it.
type group struct {
	part  int // index
	name  string
	uuid  string
	seqno int64
}

// logical looks into the logical volumes of the physical volume p: linear
// ones are in use as their filesystems say, of used.
func (d *disk) logical(p *Part, r io.ReaderAt, used extent.Set) (extent.Set, error) {
	v, err := lvm.Read(r, p.Size)
	if err != nil {
		return used, err
	}
	d.nested = true
	defer func() { d.nested = false }()
	var free []extent.Range
	for i := range v.LVs {
		lv := &v.LVs[i]
		if len(lv.Pieces) == 0 {
			continue // on other disks, or made of other logical volumes
		}
		here := lv.Allocated()
		part := Part{Name: fmt.Sprintf("logical volume %s/%s", v.VG, lv.Name), Size: lv.Size, Type: strings.Join(lv.Types, ", ")}
		if !lv.Linear || len(p.Volumes) >= maxParts {
			part.Whole, part.Used, part.Note = true, here.Len(), "not looked into"
			p.Volumes = append(p.Volumes, part)
			continue
		}
		in, err := d.volume(&part, lv.Reader(r), false)
		if err != nil {
			return used, err
		}
		free = append(free, here.Subtract(lv.Place(in)).Ranges()...)
		p.Volumes = append(p.Volumes, part)
	}
	d.groups = append(d.groups, group{len(d.Parts), v.VG, v.VGUUID, v.Seqno})
	return used.Subtract(extent.NewSet(free...)), nil
}

// stale saves physical volumes of one group whole that do not agree on it.
func (d *disk) stale() {
	for _, g := range d.groups {
		for _, o := range d.groups {
			if g.uuid == "" || g.uuid != o.uuid || g.seqno == o.seqno {
				continue
			}
			p := &d.Parts[g.part]
			p.setWhole()
			p.Note = "its metadata and that of " + d.Parts[o.part].Name + " are of different age"
			d.used[g.part] = extent.NewSet(p.Range)
			d.warn(p, p.Note+"; saved whole")
			break
		}
	}
}
