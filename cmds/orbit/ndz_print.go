//go:build !node

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// print tells an .ndz image to a person.
func (o *inspectFlags) print(w io.Writer, d *ndzDescription) error {
	line := func(label, text string) { fmt.Fprintf(w, "%-11s  %s\n", label, text) }
	line("image", clean(d.File))
	line("format", fmt.Sprintf(".ndz version %d, %s; %s", d.Version, count(d.Chunks, "chunk"), readers(d.Version)))
	if d.ID != "" {
		line("id", d.ID)
	}
	line("disk", fmt.Sprintf("%s (%d bytes), sectors %d to %d of %d bytes, %s", units.Bytes(d.Size), d.Size, d.First, d.Last, ndz.Sector, d.what()))
	line("used", fmt.Sprintf("%s, %s, in %s (%s of chunks)", units.Bytes(d.Used), percent(d.Used, d.Size), count(int64(d.Ranges), "range"), count(int64(d.Regions), "region")))
	line("free", fmt.Sprintf("%s, %s%s", units.Bytes(d.Free), percent(d.Free, d.Size), d.unknown()))
	line("stored", fmt.Sprintf("%s (%d bytes), %s compressed to %s, %s", units.Bytes(d.Stored), d.Stored,
		units.Bytes(d.Used), units.Bytes(d.Packed), share(d.Packed, d.Used)))
	line("relocations", d.relocations())
	line("sealed", d.sealed())
	if d.Opaque != "" {
		line("content", "cannot be read: "+clean(d.Opaque))
	}
	for _, n := range d.Notes {
		line("note", clean(n))
	}
	if err := printParts(w, d.Parts); err != nil || !o.chunks {
		return err
	}
	return printChunks(w, d.List)
}

// readers tells who can read a version.
func readers(version int) string {
	switch version {
	case 1, 4:
		return "frisbee of 2011 and 2016 reads it, that of 2022 does not"
	case 5:
		return "only frisbee of 2022 or later reads it"
	}
	return "every frisbee reads it"
}

// what is the disk in words. Nothing in the image tells a disk without a table
// from a partition.
func (d *ndzDescription) what() string {
	switch {
	case d.Opaque != "":
		return "of what is not known"
	case d.Scheme == "" || d.Scheme == "none":
		return "no partition table: of a partition, or a disk without one"
	}
	return "of a disk: " + clean(d.Scheme)
}

// unknown tells what is neither used nor free: version 1 is silent on that.
func (d *ndzDescription) unknown() string {
	if n := d.Size - d.Used - d.Free; n > 0 {
		return "; of " + units.Bytes(n) + " it does not say"
	}
	return ""
}

func (d *ndzDescription) relocations() string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(d.Relocations)) {
		all = append(all, fmt.Sprintf("%d × %s", d.Relocations[kind], kind))
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

func (d *ndzDescription) sealed() string {
	var all []string
	if d.Encrypted {
		all = append(all, "encrypted (Blowfish)")
	}
	switch {
	case d.Signed:
		all = append(all, "signed (SHA-1 and RSA of 512 bits: no protection today)")
	case d.Checksum:
		all = append(all, "each chunk has a checksum (SHA-1)")
	}
	return cmp.Or(strings.Join(all, ", "), "no")
}

// printChunks prints a line for each chunk, in columns.
func printChunks(w io.Writer, all []ndzChunk) error {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "CHUNK\tFIRST\tLAST\tREGIONS\tUSED\tFREE\tPACKED\tRELOCATIONS\t")
	for _, c := range all {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%s\t%s\t%s\t%d\t\n", c.Chunk, c.First, c.Last, len(c.Regions),
			units.Bytes(int64(c.Sectors)*ndz.Sector), units.Bytes(int64(c.free)*ndz.Sector), units.Bytes(int64(c.Packed)), len(c.Relocations))
	}
	return t.Flush()
}

// count is a number of things.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func share(n, of int64) string { return fmt.Sprintf("%.1f %%", float64(n)/float64(max(of, 1))*100) }
