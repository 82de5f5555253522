//go:build !node

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/report"
	"github.com/orbit-pxe/orbit/pkg/head/client"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
)

// screen is for the terminal, if there is one.
func screen(w io.Writer) report.Options {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return report.Options{}
	}
	o := report.Options{Width: 80, Bold: os.Getenv("TERM") != "dumb"}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		o.Width = n
	}
	return o
}

// last shows the last inventories: one in full, of several a line each.
func (s *stocktaking) last(ctx context.Context) error {
	queries, err := s.queries(ctx)
	if err != nil {
		return err
	}
	var list []client.Machine
	for _, q := range queries {
		some, err := s.head.Inventories(ctx, q)
		if err != nil {
			return err
		}
		list = append(list, some...)
	}
	switch {
	case len(list) == 0 && len(s.names) > 0:
		return fmt.Errorf("node %s has not reported yet", strings.Join(s.names, ", "))
	case len(s.names) == 1 && list[0].Version == 0:
		return fmt.Errorf("no inventory of %s has come yet", list[0].Node)
	case s.json && len(s.names) == 1:
		return s.print(list[0].Document)
	case s.json:
		return s.print(append([]client.Machine{}, list...))
	case len(list) == 0:
		return s.none()
	case len(s.names) == 1:
		return s.show(list[0])
	}
	return s.summary(list, time.Now())
}

// show prints a report on a machine.
func (s *stocktaking) show(m client.Machine) error {
	d, err := typed(m.Document)
	if err != nil {
		return err
	}
	o := screen(s.stdout)
	node := report.Section{Name: "Node", Lines: [][]string{{m.Node, m.Name, m.Address},
		{fmt.Sprintf("version %d", m.Version), "since " + at(m.First), "seen " + at(m.Seen)}}}
	o.Before = append(o.Before, node)
	if m.Held != "" {
		o.Before = append(o.Before, report.Section{Name: "HELD", Lines: [][]string{{m.Held}}})
	}
	if len(m.Warnings) > 0 {
		var lines [][]string
		for _, w := range m.Warnings {
			lines = append(lines, []string{w.String()})
		}
		o.Before = append(o.Before, report.Section{Name: "Warnings", Lines: lines})
	}
	return report.Write(s.stdout, d, o)
}

// typed reads a document as far as it is one: what a node says is not made sure of.
func typed(document json.RawMessage) (*hardware.Document, error) {
	var d hardware.Document
	var other *json.UnmarshalTypeError
	if err := json.Unmarshal(document, &d); err != nil && !errors.As(err, &other) {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	return &d, nil
}

func at(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

// older shows a version of the past.
func (s *stocktaking) older(ctx context.Context, id string, only bool) error {
	document, version, err := s.head.Inventory(ctx, id, s.at)
	if err != nil {
		return err
	}
	if s.json && len(s.names) != 1 {
		s.printed = append(s.printed, struct {
			Node     string          `json:"node"`
			Version  int             `json:"version"`
			Document json.RawMessage `json:"document"`
		}{id, version, document})
		return nil
	}
	if s.json {
		var b bytes.Buffer
		if err := json.Indent(&b, document, "", " "); err != nil {
			return err
		}
		_, err := s.stdout.Write(b.Bytes())
		return err
	}
	d, err := typed(document)
	if err != nil {
		return err
	}
	o := screen(s.stdout)
	o.Before = []report.Section{{Name: "Node", Lines: [][]string{{id, fmt.Sprintf("version %d", version)}}}}
	if !only {
		defer fmt.Fprintln(s.stdout)
	}
	return report.Write(s.stdout, d, o)
}

// table prints CSV.
func (s *stocktaking) table(ctx context.Context) error {
	queries, err := s.queries(ctx)
	if err != nil {
		return err
	}
	columns := s.csv
	if columns == "default" {
		columns = ""
	}
	for i, q := range queries {
		text, err := s.head.CSV(ctx, q, columns)
		if err != nil {
			return err
		}
		if i > 0 { // titles are there already
			_, text, _ = bytes.Cut(text, []byte("\n"))
		}
		if _, err := s.stdout.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// history lists the versions of a machine.
func (s *stocktaking) history(ctx context.Context, id string, only bool) error {
	list, err := s.head.History(ctx, id)
	if err != nil {
		return err
	}
	if s.json && len(s.names) != 1 {
		s.printed = append(s.printed, struct {
			Node    string         `json:"node"`
			History []client.Entry `json:"history"`
		}{id, list})
		return nil
	}
	if s.json {
		return s.print(list)
	}
	var b strings.Builder
	if !only {
		fmt.Fprintln(&b, id)
	}
	for _, e := range list {
		accepted := ""
		if !e.Accepted.IsZero() {
			accepted = ", accepted " + at(e.Accepted)
		}
		fmt.Fprintf(&b, "version %d, %s to %s%s\n", e.Number, at(e.First), at(e.Seen), accepted)
		for _, line := range e.Text {
			fmt.Fprintln(&b, "  "+report.Clean(line))
		}
		if e.More > 0 {
			fmt.Fprintf(&b, "  and %d more changes\n", e.More)
		}
	}
	_, err = io.WriteString(s.stdout, b.String())
	return err
}

// compare tells what has changed.
func (s *stocktaking) compare(ctx context.Context) error {
	type compared struct {
		Node string `json:"node"`
		client.Comparison
	}
	list, changed, unknown := []compared{}, false, false
	err := s.each(ctx, func(ctx context.Context, id string, only bool) error {
		r, err := s.head.Compare(ctx, id, s.from, s.at)
		if err != nil {
			return err
		}
		changed, unknown = changed || len(r.Changes) > 0, unknown || len(r.Unknown) > 0
		list = append(list, compared{id, r})
		if s.json {
			return nil
		}
		for _, line := range r.Text {
			if !only {
				line = id + "  " + line
			}
			if _, err := fmt.Fprintln(s.stdout, report.Clean(line)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && s.json {
		err = s.print(list)
	}
	switch {
	case err != nil:
		return err
	case changed:
		return &exit{code: 1}
	case unknown:
		return &exit{code: exitUsage}
	}
	return nil
}

// attention is what somebody should know of a machine.
func attention(held string, warnings []inventories.Warning) string {
	var words []string
	if held != "" {
		words = append(words, "held: "+held)
	}
	for _, w := range warnings {
		words = append(words, w.String())
	}
	return strings.Join(words, "; ")
}
