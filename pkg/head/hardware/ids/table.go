// Package ids reads the lists that give numbers of PCI and USB devices their
// names: pci.ids and usb.ids, as their own headers describe them. Of these it
// takes vendors, devices, and classes with their subclasses.
package ids

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a list. Those of distributions have up to 2 MB and 40,000 lines of
// up to 200 bytes.
const (
	mostFile    = 32 << 20
	mostLine    = 4096
	mostEntries = 500_000
	mostName    = 200 // bytes; the rest is cut off
)

// Table has the names of one list.
type Table struct {
	vendors map[uint16]string
	devices map[uint32]string // vendor and device
	classes map[uint32]string // class<<16, or class<<16 | 1<<8+subclass
}

// Parse reads a list. Lines that it does not understand are passed over, as
// there are kinds of them that are of no interest here.
func Parse(r io.Reader) (*Table, error) {
	t := &Table{map[uint16]string{}, map[uint32]string{}, map[uint32]string{}}
	limited := &io.LimitedReader{R: r, N: mostFile + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, mostLine), mostLine)
	var p parser
	for lines.Scan() && limited.N > 0 {
		p.line(t, lines.Text())
		if len(t.vendors)+len(t.devices)+len(t.classes) > mostEntries {
			return nil, fmt.Errorf("it has more than %d entries", mostEntries)
		}
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("it has more than %d bytes", mostFile)
	}
	return t, lines.Err()
}

// parser knows what the lines that begin with a tab belong to.
type parser struct {
	in      byte // 'V' a vendor, 'C' a class, 0 something else
	vendor  uint16
	classID uint8
}

func (p *parser) line(t *Table, line string) {
	switch {
	case line == "" || line[0] == '#' || strings.HasPrefix(line, "\t\t"):
		return
	case line[0] == '\t':
		p.member(t, line[1:])
		return
	}
	p.in = 0
	if rest, ok := strings.CutPrefix(line, "C "); ok {
		if n, name, ok := entry(rest, 2); ok {
			p.in, p.classID = 'C', uint8(n)
			t.classes[uint32(n)<<16] = name
		}
		return
	}
	if n, name, ok := entry(line, 4); ok {
		p.in, p.vendor = 'V', uint16(n)
		t.vendors[uint16(n)] = name
	}
}

func (p *parser) member(t *Table, line string) {
	switch p.in {
	case 'V':
		if n, name, ok := entry(line, 4); ok {
			t.devices[uint32(p.vendor)<<16|uint32(n)] = name
		}
	case 'C':
		if n, name, ok := entry(line, 2); ok {
			t.classes[uint32(p.classID)<<16|1<<8|uint32(n)] = name
		}
	}
}

// entry takes "ID  Name" apart, with so many hexadecimal digits.
func entry(line string, digits int) (id uint64, name string, ok bool) {
	word, name, found := strings.Cut(line, "  ")
	id, err := strconv.ParseUint(word, 16, 16)
	name = clean(name)
	return id, name, found && err == nil && len(word) == digits && name != ""
}

// clean leaves text that can be shown anywhere.
func clean(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(name))
	if len(name) > mostName {
		name = strings.ToValidUTF8(name[:mostName], "")
	}
	return strings.Clone(name)
}

// Vendor is the name of a vendor, by four hexadecimal digits; "" if it has none.
func (t *Table) Vendor(vendor string) string {
	n, ok := number(vendor, 4)
	if t == nil || !ok {
		return ""
	}
	return t.vendors[uint16(n)]
}

// Device is the name of a vendor's device.
func (t *Table) Device(vendor, device string) string {
	v, ok := number(vendor, 4)
	d, also := number(device, 4)
	if t == nil || !ok || !also {
		return ""
	}
	return t.devices[uint32(v)<<16|uint32(d)]
}

// Class is the name of a class, by six hexadecimal digits: that of the
// subclass, or else that of the class itself.
func (t *Table) Class(class string) string {
	n, ok := number(class, 6)
	if t == nil || !ok {
		return ""
	}
	if name := t.classes[uint32(n)&0xff0000|1<<8|uint32(n)>>8&0xff]; name != "" {
		return name
	}
	return t.classes[uint32(n)&0xff0000]
}

func number(text string, digits int) (uint64, bool) {
	n, err := strconv.ParseUint(text, 16, 32)
	return n, err == nil && len(text) == digits
}
