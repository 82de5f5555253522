package blockdev

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// Selector names one disk by what is known of it. Its text is a path
// ("/dev/sda", "/dev/disk/by-id/..."), or terms joined by commas that must all
// hold:
//
//	first        of those that match, the first by bus path; never a removable,
//	             USB or read-only one unless the other terms ask for it
//	serial=X     serial number
//	wwn=X        world wide name; 0x, naa. and eui. in front do not matter
//	model=X      model, with vendor where there is one
//	bus=X        nvme, sata, scsi, virtio, usb, mmc, xen
//	name=X       kernel name, such as sda
//	path=X       device path
//	size=N       size; with a unit to within 1 % and binary or decimal, so that
//	             size=500G finds a "500 GB" disk
//	size>=N      also >, <=, <
//
// Case does not matter, and * in a value stands for any characters.
type Selector struct {
	text  string
	first bool
	terms []term
}

type term struct {
	key, op, value string
	size           int64
}

// ParseSelector reads a selector.
func ParseSelector(s string) (Selector, error) {
	sel := Selector{text: strings.TrimSpace(s)}
	if sel.text == "" {
		return sel, fmt.Errorf("no disk named (give /dev/..., first, or terms such as serial=X or size>=100G)")
	}
	if strings.HasPrefix(sel.text, "/") {
		sel.terms = []term{{key: "path", op: "=", value: sel.text}}
		return sel, nil
	}
	for _, word := range strings.Split(sel.text, ",") {
		word = strings.TrimSpace(word)
		if strings.EqualFold(word, "first") {
			sel.first = true
			continue
		}
		t, err := parseTerm(word)
		if err != nil {
			return Selector{}, fmt.Errorf("disk selector %q: %w", s, err)
		}
		sel.terms = append(sel.terms, t)
	}
	return sel, nil
}

func parseTerm(word string) (term, error) {
	i := strings.IndexAny(word, "=<>")
	if i < 0 {
		return term{}, fmt.Errorf("%q is not a term (want first or KEY=VALUE; a device is written /dev/%s)", word, word)
	}
	t := term{key: strings.ToLower(strings.TrimSpace(word[:i])), op: word[i : i+1], value: word[i+1:]}
	if rest, ok := strings.CutPrefix(t.value, "="); ok && t.op != "=" {
		t.op, t.value = t.op+"=", rest
	}
	t.value = strings.TrimSpace(t.value)
	switch t.key {
	case "size":
		n, err := units.ParseBytes(t.value)
		if err != nil {
			return term{}, err
		}
		t.size = n
		return t, nil
	case "serial", "wwn", "model", "bus", "name", "path":
	default:
		return term{}, fmt.Errorf("%q unknown (want serial, wwn, model, bus, name, path, size or first)", t.key)
	}
	if t.op != "=" {
		return term{}, fmt.Errorf("%s can only be compared with =", t.key)
	}
	if t.value == "" {
		return term{}, fmt.Errorf("%s has no value", t.key)
	}
	return t, nil
}

// Path is the device or file that the selector names outright, if it does.
func (s Selector) Path() (path string, ok bool) {
	if strings.HasPrefix(s.text, "/") {
		return s.text, true
	}
	return "", false
}

func (s Selector) String() string { return s.text }

// Pick gives the one disk the selector names. None is a *NoMatchError, more
// than one an *AmbiguousError; both describe the disks.
func (s Selector) Pick(disks []Disk) (Disk, error) {
	var found []Disk
	for _, d := range disks {
		if s.matches(d) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 0:
		return Disk{}, &NoMatchError{Selector: s.text, Disks: disks}
	case len(found) > 1 && !s.first:
		return Disk{}, &AmbiguousError{Selector: s.text, Disks: found}
	}
	return found[0], nil
}

func (s Selector) matches(d Disk) bool {
	if s.first && (d.ReadOnly || (d.Removable || d.Bus == "usb") && !s.asks("bus", "serial", "wwn", "model", "name", "path")) {
		return false
	}
	for _, t := range s.terms {
		if !t.matches(d) {
			return false
		}
	}
	return true
}

// asks tells whether a term about one of keys says which kind of disk is meant.
func (s Selector) asks(keys ...string) bool {
	for _, t := range s.terms {
		for _, k := range keys {
			if t.key == k {
				return true
			}
		}
	}
	return false
}

func (t term) matches(d Disk) bool {
	switch t.key {
	case "serial":
		return glob(t.value, d.Serial)
	case "wwn":
		return d.WWN != "" && glob(bareWWN(t.value), bareWWN(d.WWN))
	case "model":
		return glob(t.value, d.Model)
	case "bus":
		return glob(t.value, d.Bus)
	case "name":
		return glob(t.value, d.Name)
	case "path":
		if glob(t.value, d.Path) {
			return true
		}
		real, err := filepath.EvalSymlinks(t.value)
		return err == nil && real == d.Path
	}
	switch t.op {
	case ">=":
		return d.Size >= t.size
	case "<=":
		return d.Size <= t.size
	case ">":
		return d.Size > t.size
	case "<":
		return d.Size < t.size
	}
	return t.sizeEquals(d.Size)
}

// sizeEquals compares exactly with a plain number of bytes, and within 1 % with
// a number that has a unit, which people use for both kinds of multiple.
func (t term) sizeEquals(size int64) bool {
	if size == t.size {
		return true
	}
	last := strings.ToLower(t.value)[len(t.value)-1]
	if last >= '0' && last <= '9' {
		return false
	}
	near := func(want int64) bool { return max(size-want, want-size) <= want/100 }
	decimal, err := units.ParseBytes(strings.TrimRight(t.value, "iIbB") + "B")
	return near(t.size) || err == nil && near(decimal)
}

func bareWWN(s string) string {
	s = strings.ToLower(s)
	for _, p := range []string{"0x", "naa.", "eui.", "uuid."} {
		s = strings.TrimPrefix(s, p)
	}
	return s
}

// glob compares without regard to case; * in pattern matches any run.
func glob(pattern, s string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	s = strings.ToLower(s)
	if len(parts) == 1 {
		return parts[0] == s
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[last])
}
