package lvm

import (
	"math"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// types of segments: those with lists of areas, which may lie on physical
// volumes, by the name of the list; and those on top of other logical volumes
// alone.
var areaLists = []struct{ typ, list string }{
	{"striped", "stripes"}, {"linear", "stripes"}, {"mirror", "mirrors"},
}

var stacked = []string{
	"raid", // and all that begin so
	"snapshot", "thin", "thin-pool", "cache", "cache-pool", "writecache",
	"vdo", "vdo-pool", "integrity", "error", "zero",
}

// volume reads one logical volume.
func (g *groupText) volume(name string, s *section) (LV, error) {
	lv := LV{Name: name}
	var err error
	if lv.UUID, err = s.text("id"); err != nil {
		return lv, err
	}
	odd, err := strange(s, "READ", "WRITE", "VISIBLE", "FIXED_MINOR", "ACTIVATION_SKIP", "NOAUTOACTIVATE")
	if err != nil {
		return lv, err
	}
	status, err := s.words("status")
	if err != nil {
		return lv, err
	}
	lv.Linear = odd == "" && slices.Contains(status, "VISIBLE")
	count, err := s.number("segment_count", math.MaxInt32)
	if err != nil {
		return lv, err
	}
	var segs []segment
	for _, key := range s.names {
		sub := s.subs[key]
		if sub == nil || !strings.HasPrefix(key, "segment") {
			continue
		}
		seg, err := g.segment(name, sub)
		if err != nil {
			return lv, err
		}
		segs = append(segs, seg)
	}
	if int64(len(segs)) != count {
		return lv, unsafef("logical volume %q has %d segments and should have %d", name, len(segs), count)
	}
	for _, seg := range segs {
		if seg.start*g.v.Extent != lv.Size {
			return lv, unsafef("the segments of logical volume %q do not follow each other", name)
		}
		if !slices.Contains(lv.Types, seg.typ) {
			lv.Types = append(lv.Types, seg.typ)
		}
		lv.Linear = lv.Linear && seg.linear
		for _, r := range seg.areas {
			lv.Pieces = append(lv.Pieces, Piece{lv.Size, r})
		}
		if seg.count > math.MaxInt64/g.v.Extent-seg.start {
			return lv, unsafef("logical volume %q is too large", name)
		}
		lv.Size += seg.count * g.v.Extent
	}
	lv.Linear = lv.Linear && lv.Size > 0
	return lv, nil
}

// segment is one of a logical volume; start and count are in extents, areas
// are in bytes of this physical volume.
type segment struct {
	typ          string
	start, count int64
	linear       bool // one area, and it is here
	areas        []extent.Range
}

func (g *groupText) segment(lv string, s *section) (segment, error) {
	var seg segment
	var err error
	if seg.typ, err = s.text("type"); err != nil {
		return seg, err
	}
	seg.typ, _, _ = strings.Cut(seg.typ, "+") // flags of the type
	if seg.start, err = s.number("start_extent", math.MaxUint32); err != nil {
		return seg, err
	}
	if seg.count, err = s.number("extent_count", math.MaxUint32); err != nil {
		return seg, err
	}
	list := ""
	for _, a := range areaLists {
		if a.typ == seg.typ {
			list = a.list
		}
	}
	if list == "" && !isStacked(seg.typ) {
		return seg, unsafef("logical volume %q: its type %q is not known", lv, seg.typ)
	}
	for _, key := range s.names {
		v, ok := s.values[key]
		if !ok || key == "type" || key == "tags" || key == list {
			continue
		}
		// Whatever a segment names is not to be looked into by itself.
		for _, item := range v.items {
			if item.text {
				g.refs[item.s] = true
				if g.pvs[item.s] && v.list {
					return seg, unsafef("logical volume %q: %s of its type %q are not known", lv, key, seg.typ)
				}
			}
		}
	}
	if list == "" {
		return seg, nil
	}
	items := s.values[list].items
	if len(items) == 0 || len(items)%2 != 0 {
		return seg, unsafef("logical volume %q: its %s are not pairs", lv, list)
	}
	n := int64(len(items) / 2)
	length := seg.count
	if list == "stripes" {
		if length%n != 0 {
			return seg, unsafef("logical volume %q: %d extents in %d stripes", lv, seg.count, n)
		}
		length /= n
	}
	for ; len(items) > 0; items = items[2:] {
		name := items[0]
		if !name.text {
			return seg, unsafef("logical volume %q: its %s are not pairs", lv, list)
		}
		if !g.pvs[name.s] {
			g.refs[name.s] = true
			continue
		}
		if name.s != g.ours {
			continue
		}
		first, err := items[1].number(g.v.Extents)
		if err != nil {
			return seg, unsafef("logical volume %q: %v", lv, err)
		}
		if length > g.v.Extents-first {
			return seg, unsafef("logical volume %q: extents %d to %d of %d", lv, first, first+length, g.v.Extents)
		}
		off := g.v.Start + first*g.v.Extent
		seg.areas = append(seg.areas, extent.Range{Off: off, End: off + length*g.v.Extent})
	}
	seg.linear = list == "stripes" && n == 1 && len(seg.areas) == 1
	return seg, nil
}

func isStacked(typ string) bool {
	return slices.ContainsFunc(stacked, func(s string) bool {
		return typ == s || s == "raid" && strings.HasPrefix(typ, s)
	})
}
