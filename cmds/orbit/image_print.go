package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// printImage tells an image to a person.
func printImage(w io.Writer, d description) error {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-9s  %s\n", label, text)
		}
	}
	line("image", clean(d.File))
	line("disk", fmt.Sprintf("%s (%d bytes), sectors of %d bytes, %s", units.Bytes(d.Size), d.Size, d.Sector, cmp.Or(table(d.Scheme), "no partition table")))
	line("used", fmt.Sprintf("%s, %s", units.Bytes(d.Used), percent(d.Used, d.Size)))
	line("stored", fmt.Sprintf("%s (%d bytes)%s", units.Bytes(d.Stored), d.Stored, ratio(d.Data, d.Stored)))
	line("root", d.Root)
	line("signature", d.Signature.String())
	line("origin", origin(d.Origin))
	if d.Parent != nil {
		line("parent", d.Parent.String())
	}
	if d.Partial {
		line("partial", "it is only the difference to its parent: no disk can be written from it alone")
	}
	if d.Part != 0 {
		line("partition", fmt.Sprintf("only partition %d of the disk was saved", d.Part))
	}
	if d.Scrubbed {
		line("scrubbed", "machine identity and logs were left out")
	}
	for _, n := range d.Notes {
		line("note", clean(n))
	}
	return printParts(w, d.Parts)
}

// printParts prints a line for each partition, in columns.
func printParts(w io.Writer, parts []image.Partition) error {
	if len(parts) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PARTITION\tOFFSET\tSIZE\tUSED\tFILESYSTEM\tLABEL\tTYPE")
	for _, p := range parts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(strings.TrimPrefix(p.Name, "partition ")), units.Bytes(p.Offset), units.Bytes(p.Size),
			units.Bytes(p.Used), dash(p.Kind), dash(p.Label), dash(p.Type))
	}
	return t.Flush()
}

// String is the signature for a person to read.
func (s *signature) String() string {
	switch {
	case s == nil:
		return "unsigned"
	case s.Error != "":
		return "unusable: " + clean(s.Error)
	}
	return "by key " + s.Key + " (orbit image verify --key checks it)"
}

func table(scheme string) string {
	if scheme == "none" {
		return ""
	}
	return clean(scheme)
}

func origin(o image.Origin) string {
	var words []string
	add := func(s string) {
		if s != "" {
			words = append(words, clean(s))
		}
	}
	add(o.Node)
	if d := o.Disk; d != nil {
		add(d.Path)
		add(d.Model)
		if d.Serial != "" {
			add("serial " + d.Serial)
		}
	}
	if !o.Time.IsZero() {
		add(o.Time.UTC().Format(time.DateTime) + " UTC")
	}
	if o.Tool != "" {
		add("by " + o.Tool)
	}
	return strings.Join(words, ", ")
}

func percent(n, of int64) string {
	return strconv.FormatFloat(float64(n)/float64(max(of, 1))*100, 'f', 1, 64) + " % of the disk"
}

// ratio is how far the spans that hold anything have shrunk.
func ratio(data, stored int64) string {
	if data == 0 || stored == 0 {
		return ""
	}
	return ", " + units.Bytes(data) + " compressed to " + strconv.FormatFloat(float64(stored)/float64(data)*100, 'f', 1, 64) + " %"
}

func dash(s string) string { return cmp.Or(clean(s), "-") }

// clean keeps what an image says of itself from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return ' '
		case !strconv.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}
