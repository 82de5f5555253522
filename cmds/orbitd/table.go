package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware/report"
	"github.com/orbit-pxe/orbit/pkg/head/node"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// width is that of the terminal, 0 where there is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	return 80
}

// table prints one line per node, on a terminal as wide as that: what has no room
// stands below.
func table(w io.Writer, list []api.Node, now time.Time, width int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no node has reported yet")
		return err
	}
	if width > 0 {
		var rows [][]string
		for _, n := range list {
			h := n.Hello
			if h == nil {
				h = &api.Hello{}
			}
			rows = append(rows, []string{n.ID, h.Address, jobWords(n.Job), stateWords(n), seen(n.Seen, now), machine(h), disks(h.Disks), last(n)})
		}
		return report.Table(w, "NODE ADDRESS JOB STATE SEEN ?~MACHINE ?~DISKS LAST", rows, report.Options{Width: width})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tADDRESS\tMACHINE\tDISKS\tJOB\tSTATE\tLAST\tSEEN")
	for _, n := range list {
		h := n.Hello
		if h == nil {
			h = &api.Hello{}
		}
		row := []string{n.ID, dash(h.Address), dash(machine(h)), dash(disks(h.Disks)),
			dash(jobWords(n.Job)), dash(stateWords(n)), dash(last(n)), seen(n.Seen, now)}
		for i, cell := range row {
			row[i] = report.Clean(cell) // nodes say what they like
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func machine(h *api.Hello) string {
	return strings.TrimSpace(strings.Join(strings.Fields(h.Product+" "+h.Firmware), " "))
}

func disks(list []api.Disk) string {
	var words []string
	for _, d := range list {
		words = append(words, path.Base(d.Path)+":"+strings.ReplaceAll(units.Bytes(d.Size), " ", ""))
	}
	return strings.Join(words, " ")
}

func jobWords(j *api.Job) string {
	if j == nil {
		return ""
	}
	if j.Image == "" {
		return string(j.Kind)
	}
	return string(j.Kind) + " " + path.Base(j.Image)
}

// stateWords is how far a job is. One that is held waits for more than the node.
func stateWords(n api.Node) string {
	if n.Held != "" {
		return "held"
	}
	return string(n.State)
}

// last is the latest that is known: a failure in words, or the step the node
// is at, and that it was warned of something.
func last(n api.Node) string {
	words := latest(n)
	for _, e := range n.Events {
		if node.Warns(e) {
			return strings.TrimSpace(words + " (" + node.Topic(e) + ")")
		}
	}
	return words
}

func latest(n api.Node) string {
	if n.Held != "" {
		return strings.Join(strings.Fields(n.Held), " ")
	}
	if n.Console != "" {
		return strings.Join(strings.Fields(n.Console), " ")
	}
	for i := len(n.Events) - 1; i >= 0; i-- {
		e := n.Events[i]
		switch {
		case e.State == api.Note:
			continue
		case e.State == api.Progress && e.Total > 0:
			return fmt.Sprintf("%s %d%%", e.Step, e.Bytes*100/e.Total)
		case e.State == api.Progress:
			return fmt.Sprintf("%s %s", e.Step, units.Bytes(e.Bytes))
		}
		return fmt.Sprintf("%s %s", e.Step, e.State)
	}
	return ""
}

func seen(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}
