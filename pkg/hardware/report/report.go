// Package report shows an inventory to people (docs/inventory.md): a block of
// lines for each section, as wide as their terminal. What a line has no room for
// stands on the next one. Long lists of what a healthy machine has are summed
// up, unless they were what was asked for.
package report

import (
	"io"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Options are how a report is laid out.
type Options struct {
	Width int  // columns there are; 0: as many as it takes
	Bold  bool // the names of sections, by ECMA-48

	Before []Section // what else is to be said, before the rest
}

// Section is a block of lines: phrases, with commas between those of a line.
type Section struct {
	Name  string
	Lines [][]string
}

// Write prints a report.
func Write(w io.Writer, d *hardware.Document, o Options) error {
	p := &printer{Options: o}
	for _, s := range o.Before {
		p.section(s.Name, s.Lines[0]...)
		for _, phrases := range s.Lines[1:] {
			p.more(phrases...)
		}
	}
	p.board(d)
	p.processors(d)
	p.memory(d.Memory)
	p.disks(d.Disks)
	p.nics(d.NICs)
	p.wireless(d.Wireless)
	p.devices(d)
	p.burnin(d.Burnin)
	p.problems(d)
	_, err := io.WriteString(w, p.out.String())
	return err
}

// Table prints rows under titles, which stand in one text with blanks between
// them and _ for blanks within: those with > before them are for numbers, with ~
// for what may be cut. Columns in which there is nothing are left out.
func Table(w io.Writer, titles string, rows [][]string, o Options) error {
	p := &printer{Options: o}
	p.table(titles, rows)
	_, err := io.WriteString(w, p.out.String())
	return err
}

// printer collects the lines of a report.
type printer struct {
	Options
	out strings.Builder
}

// margin is where the words of a section begin, behind its name.
const margin = 11

// section begins one, with phrases about all of it.
func (p *printer) section(name string, phrases ...string) {
	if p.Bold {
		p.out.WriteString("\x1b[1m" + name + "\x1b[m")
	} else {
		p.out.WriteString(name)
	}
	p.flow(max(margin-len(name), 1), margin, phrases)
}

// more are further lines of a section.
func (p *printer) more(phrases ...string) {
	if slices.ContainsFunc(phrases, func(s string) bool { return s != "" }) {
		p.flow(margin, margin, phrases)
	}
}

// flow writes phrases with commas between them, from one column on, on as many
// lines as they take. Empty ones are left out.
func (p *printer) flow(first, indent int, phrases []string) {
	l := line{p: p, blank: first, at: indent, indent: indent}
	for _, phrase := range phrases {
		if phrase = Clean(phrase); phrase == "" {
			continue
		}
		if l.begun {
			l.p.out.WriteByte(',')
			l.at++
		}
		if p.Width == 0 || columns(phrase) < p.Width-indent {
			l.add(phrase)
			continue
		}
		for word := range strings.FieldsSeq(phrase) { // too long for any line
			l.add(word)
		}
	}
	p.out.WriteByte('\n')
}

// line is one that is being written.
type line struct {
	p                 *printer
	blank, at, indent int
	begun             bool
}

// add writes words that stay together, on the next line if need be.
func (l *line) add(words string) {
	if l.begun && l.p.Width > 0 && l.at+1+columns(words)+1 > l.p.Width {
		l.p.out.WriteByte('\n')
		l.blank, l.at = l.indent, l.indent
	} else if l.begun {
		l.blank = 1
		l.at++
	}
	l.p.out.WriteString(strings.Repeat(" ", l.blank))
	l.p.out.WriteString(words)
	l.at += columns(words)
	l.begun = true
}

// Clean blanks what would have a terminal do something: the words come from
// firmware, devices and the network.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfffd:
			return '?'
		}
		return r
	}, s)
}
