package report

import (
	"strings"
	"unicode/utf8"
)

// column is one of a table.
type column struct {
	title string
	right bool // numbers
	cut   bool // it may lose its end
	extra bool // left out where there is no room
	width int
}

const (
	indent  = 2  // of tables
	between = 2  // columns of a table
	atLeast = 18 // columns are left of what is cut
	ellipse = "…"
)

// table is Table. What doesn't fit stands on a line of its own under each row.
func (p *printer) table(titles string, rows [][]string) {
	list, rows := layout(titles, rows)
	fit := p.fit(list)
	if len(rows) == 0 || fit == 0 {
		return
	}
	var heads []string
	for _, c := range list[:fit] {
		heads = append(heads, c.title)
	}
	p.row(list[:fit], heads)
	for _, row := range rows {
		p.row(list[:fit], row)
		p.rest(list[fit:], row[fit:])
	}
}

// layout finds the columns that have something in them, and how wide they are.
func layout(titles string, rows [][]string) ([]column, [][]string) {
	var list []column
	kept := make([][]string, len(rows))
	for i, title := range strings.Fields(titles) {
		name := strings.TrimLeft(title, ">~?")
		flags := title[:len(title)-len(name)]
		c := column{title: strings.ReplaceAll(name, "_", " "), right: strings.Contains(flags, ">"), cut: strings.Contains(flags, "~"), extra: strings.Contains(flags, "?")}
		for _, row := range rows {
			row[i] = Clean(row[i])
			c.width = max(c.width, columns(row[i]))
		}
		if c.width == 0 {
			continue
		}
		c.width = max(c.width, columns(c.title))
		list = append(list, c)
		for j, row := range rows {
			kept[j] = append(kept[j], row[i])
		}
	}
	return list, kept
}

// fit makes columns narrower where that helps, and tells how many there is room
// for.
func (p *printer) fit(list []column) int {
	n := len(list)
	if p.Width == 0 {
		return n
	}
	room := func(least bool) int {
		left := p.Width - indent + between
		for _, c := range list[:n] {
			if c.cut && least {
				c.width = min(c.width, atLeast)
			}
			left -= c.width + between
		}
		return left
	}
	for n > 1 && room(true) < 0 {
		n--
	}
	for i := range list[:n] {
		if c := &list[i]; c.cut && room(false) < 0 {
			c.width = max(c.width+room(false), min(c.width, atLeast))
		}
	}
	return n
}

func (p *printer) row(list []column, cells []string) {
	var line strings.Builder
	for i, c := range list {
		cell := cells[i]
		if columns(cell) > c.width {
			cell = string([]rune(cell)[:c.width-1]) + ellipse
		}
		blank := strings.Repeat(" ", c.width-columns(cell))
		if c.right {
			cell, blank = blank+cell, ""
		}
		line.WriteString(strings.Repeat(" ", between) + cell + blank)
	}
	p.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// rest writes what did not fit of a row.
func (p *printer) rest(list []column, cells []string) {
	var phrases []string
	for i, c := range list {
		if cells[i] != "" && !c.extra {
			phrases = append(phrases, strings.NewReplacer("mac", "MAC", "wwn", "WWN").Replace(strings.ToLower(c.title))+" "+cells[i])
		}
	}
	if phrases != nil {
		p.flow(3*indent, 3*indent, phrases)
	}
}

func columns(s string) int { return utf8.RuneCountInString(s) }
