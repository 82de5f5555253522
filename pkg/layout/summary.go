package layout

import (
	"strings"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// maxSummary is how many partitions a summary names.
const maxSummary = 8

// Summary tells the layout in one line:
// "gpt: esp vfat 100 MiB, root ext4 1.9 GiB, 512 MiB in use".
func (l *Layout) Summary() string {
	var list []string
	for i := range l.Parts {
		if i == maxSummary && len(l.Parts) > maxSummary+1 {
			list = append(list, "...")
			break
		}
		list = append(list, l.Parts[i].summary())
	}
	list = append(list, units.Bytes(l.Used.Len())+" in use")
	scheme := "no table"
	if l.Table != nil && l.Table.Scheme != partition.SchemeNone {
		scheme = string(l.Table.Scheme)
	}
	return scheme + ": " + strings.Join(list, ", ")
}

// summary is the part in words, with the first of its logical volumes.
func (p *Part) summary() string {
	var words []string
	if t := short(p.Type); t != "" && t != p.Kind {
		words = append(words, t)
	}
	switch {
	case p.Kind != "":
		words = append(words, p.Kind)
	case len(words) == 0:
		words = append(words, "unknown")
	}
	text := strings.Join(append(words, units.Bytes(p.Size)), " ")
	var lvs []string
	for i := range p.Volumes {
		v := &p.Volumes[i]
		if i == maxSummary && len(p.Volumes) > maxSummary+1 {
			lvs = append(lvs, "...")
			break
		}
		_, name, _ := strings.Cut(v.Name, "/")
		kind := v.Kind
		if kind == "" {
			kind = v.Type
		}
		if kind != name { // as "swap" is
			name += " " + kind
		}
		lvs = append(lvs, name+" "+units.Bytes(v.Size))
	}
	if len(lvs) > 0 {
		text += " (" + strings.Join(lvs, ", ") + ")"
	}
	return text
}

// short is a partition's type in as few words as tell something that its
// content does not.
func short(typ string) string {
	typ, _, _ = strings.Cut(typ, " (")
	switch typ {
	case "Linux", "basic data", "LVM", "swap", "FAT12", "FAT16", "FAT32", "NTFS or exFAT":
		return ""
	}
	if len(typ) == 36 || strings.HasPrefix(typ, "0x") {
		return "" // a number nobody knows by heart
	}
	return strings.ToLower(strings.TrimPrefix(typ, "Linux "))
}
