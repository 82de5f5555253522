package lvm

import (
	"math"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// groupText is the metadata of a volume group, as far as one of its physical
// volumes needs it.
type groupText struct {
	v    *Volume
	ours string // name of this physical volume in the metadata
	pvs  map[string]bool
	lvs  *section
	refs map[string]bool // names that any segment mentions
}

// decodeGroup fills v in from the metadata's text, for the physical volume
// with this id.
func decodeGroup(text []byte, id string, v *Volume) error {
	top, err := parse(text)
	if err != nil {
		return err
	}
	if c, err := top.text("contents"); err != nil || c != "Text Format Volume Group" {
		return unsafef("the metadata is not a volume group's: %q", c)
	}
	if n, err := top.number("version", math.MaxInt32); err != nil || n != 1 {
		return unsafef("the metadata is of an unknown version")
	}
	if len(top.subs) != 1 {
		return unsafef("the metadata is of %d volume groups", len(top.subs))
	}
	for name, vg := range top.subs {
		v.VG = name
		if err := v.group(vg, id); err != nil {
			return err
		}
	}
	return nil
}

func (v *Volume) group(vg *section, id string) error {
	if f, err := vg.text("format"); err != nil || f != "" && f != "lvm2" {
		return unsafef("the volume group is of format %q", f)
	}
	if err := only(vg, "the volume group", "RESIZEABLE", "READ", "WRITE", "CLUSTERED", "SHARED", "WRITE_LOCKED", "NOAUTOACTIVATE"); err != nil {
		return err
	}
	var err error
	if v.VGUUID, err = vg.text("id"); err != nil {
		return err
	}
	if v.Seqno, err = vg.number("seqno", math.MaxUint32); err != nil {
		return err
	}
	n, err := vg.number("extent_size", math.MaxUint32)
	if err != nil {
		return err
	}
	if n == 0 {
		return unsafef("extents of zero bytes")
	}
	v.Extent = n * sector
	g := &groupText{v: v, pvs: map[string]bool{}, refs: map[string]bool{}}
	if err := g.physical(vg.subs["physical_volumes"], id); err != nil {
		return err
	}
	g.lvs = vg.subs["logical_volumes"]
	return g.logical()
}

// physical finds this physical volume among those of the group.
func (g *groupText) physical(pvs *section, id string) error {
	if pvs == nil {
		return unsafef("the volume group has no physical volumes")
	}
	for name, pv := range pvs.subs {
		g.pvs[name] = true
		own, err := pv.text("id")
		if err != nil {
			return err
		}
		if strings.ReplaceAll(own, "-", "") != id {
			continue
		}
		if g.ours != "" {
			return unsafef("this physical volume is in its group twice")
		}
		g.ours = name
		if err := only(pv, "the physical volume", "ALLOCATABLE", "USED"); err != nil {
			return err
		}
		start, err := pv.number("pe_start", g.v.Size/sector)
		if err != nil {
			return err
		}
		g.v.Start = start * sector
		if g.v.Extents, err = pv.number("pe_count", (g.v.Size-g.v.Start)/g.v.Extent); err != nil {
			return err
		}
	}
	if g.ours == "" {
		return unsafef("this physical volume is not among those of its group %q", g.v.VG)
	}
	g.v.Volumes = len(g.pvs)
	return nil
}

// logical reads all logical volumes.
func (g *groupText) logical() error {
	if g.lvs == nil {
		return nil
	}
	var all []extent.Range
	total := int64(0)
	for _, name := range g.lvs.names {
		lv := g.lvs.subs[name]
		if lv == nil {
			return unsafef("%q is not a logical volume", name)
		}
		got, err := g.volume(name, lv)
		if err != nil {
			return err
		}
		for _, p := range got.Pieces {
			total += p.Range.Len()
			all = append(all, p.Range)
		}
		g.v.LVs = append(g.v.LVs, got)
	}
	if extent.NewSet(all...).Len() != total {
		return unsafef("logical volumes of %q overlap", g.v.VG)
	}
	for i := range g.v.LVs {
		lv := &g.v.LVs[i]
		lv.Linear = lv.Linear && !g.refs[lv.Name]
	}
	return nil
}

// only checks that status and flags have no other words than these.
func only(s *section, what string, words ...string) error {
	w, err := strange(s, words...)
	if err != nil {
		return err
	}
	if w != "" {
		return unsafef("%s is marked %s", what, w)
	}
	return nil
}

// strange is the first word in status and flags that is none of words.
func strange(s *section, words ...string) (string, error) {
	for _, key := range []string{"status", "flags"} {
		list, err := s.words(key)
		if err != nil {
			return "", err
		}
	next:
		for _, w := range list {
			for _, ok := range words {
				if w == ok {
					continue next
				}
			}
			return w, nil
		}
	}
	return "", nil
}
