//go:build !node

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/client"
)

const inventoryHelp = `Tells what the nodes of a head are made of: of one NODE all, of several or of all a
line each. NODE is a MAC address, the end of one, a serial number or a name. This
machine describes itself by the command inventory.

  orbit inventory --select 'disks[size>=1TB && !rotational] && nics.driver=="ice"'
  orbit inventory --csv node.id,system.serial,memory.total --select 'count(disks)>2'
  orbit inventory node1-1 --history
  orbit inventory node1-1 --accept

Exit codes: 0 done; with --diff: nothing is different. 1 failed; with --diff:
something is. 2 wrong usage; with --diff: failed, or not all could be compared.
`

// stocktaking is what the command line asks for.
type stocktaking struct {
	head   client.Client
	stdout io.Writer

	names  []string // of nodes
	all    bool
	query  string // that nodes fulfil
	json   bool
	csv    string // columns
	at     string // version of the inventory
	from   string // version that one is compared with
	past   bool   // history
	diff   bool
	accept bool

	printed []any // with --json, of several nodes
}

func inventoryVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	s := stocktaking{stdout: stdout}
	err := s.parse(args)
	if err == nil {
		err = s.run(ctx)
	}
	var e *exit
	if err == nil || errors.As(err, &e) && e.error == nil {
		return err
	}
	if s.diff && e == nil { // 1 is for differences
		return &exit{exitUsage, fmt.Errorf("inventory: %w", err)}
	}
	return fmt.Errorf("inventory: %w", err)
}

func (s *stocktaking) parse(args []string) error {
	f := verbFlags(s.stdout, "inventory", "[flags] [NODE...]", inventoryHelp)
	url := f.String("head", "http://127.0.0.1:8080", "`URL` of the head")
	f.BoolVar(&s.all, "all", false, "all nodes; the same as none, but for --accept")
	f.StringVar(&s.query, "select", "", "the nodes for which an `expression` holds")
	f.BoolVar(&s.json, "json", false, "print JSON")
	f.StringVar(&s.csv, "csv", "", "print a table with these `columns`, paths with commas between them, or with the default ones")
	f.StringVar(&s.at, "at", "", "`which` inventory: the number of a version, a time such as 2026-01-31T12:00:00Z, or accepted (default: the last)")
	f.BoolVar(&s.past, "history", false, "list the versions, and what changed")
	f.BoolVar(&s.diff, "diff", false, "tell what changed since the version before, or --from")
	f.StringVar(&s.from, "from", "", "`which` inventory --diff compares with")
	f.BoolVar(&s.accept, "accept", false, "nodes are to be as they are now: hold them no longer")
	names, err := scatter(f, args)
	if err != nil {
		return err
	}
	if len(names) == 1 && names[0] == "all" {
		names, s.all = nil, true
	}
	s.names, s.head = names, client.Client{URL: *url, HTTP: &http.Client{Timeout: time.Minute}}
	return s.check()
}

// check tells of flags that don't go together.
func (s *stocktaking) check() error {
	var modes []string
	for _, m := range []struct {
		name string
		set  bool
	}{{"--csv", s.csv != ""}, {"--history", s.past}, {"--diff", s.diff}, {"--accept", s.accept}} {
		if m.set {
			modes = append(modes, m.name)
		}
	}
	switch {
	case len(modes) > 1:
		return usage("%s exclude each other", strings.Join(modes, " and "))
	case len(s.names) > 0 && (s.all || slices.Contains(s.names, "all") || s.query != "") || s.all && s.query != "":
		return usage("want nodes, --select or --all, not several of them")
	case s.accept && len(s.names) == 0 && !s.all && s.query == "":
		return usage("--accept needs a NODE, --select or --all")
	case s.at != "" && modes != nil && !s.diff:
		return usage("--at does not go with %s", modes[0])
	case s.from != "" && !s.diff:
		return usage("--from is for --diff")
	case s.json && s.csv != "":
		return usage("--json and --csv exclude each other")
	}
	if s.query == "" {
		return nil
	}
	if _, err := query.Parse(s.query); err != nil {
		return usage("--select: %w", err)
	}
	return nil
}

func (s *stocktaking) run(ctx context.Context) error {
	switch {
	case s.csv != "":
		return s.table(ctx)
	case s.past:
		return s.eachJSON(ctx, s.history)
	case s.diff:
		return s.compare(ctx)
	case s.accept:
		return s.each(ctx, func(ctx context.Context, id string, _ bool) error {
			v, err := s.head.Accept(ctx, id)
			if err == nil {
				_, err = fmt.Fprintf(s.stdout, "%s is to be as it is now (version %d)\n", id, v.Number)
			}
			return err
		})
	case s.at != "":
		return s.eachJSON(ctx, s.older)
	}
	return s.last(ctx)
}

// ids are those of the nodes that are meant.
func (s *stocktaking) ids(ctx context.Context) ([]string, error) {
	if len(s.names) == 0 {
		return s.head.Select(ctx, s.query)
	}
	var all []string
	for _, name := range s.names {
		ids, err := s.head.Find(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}

// queries hold for the nodes that are meant, one for some of them.
func (s *stocktaking) queries(ctx context.Context) ([]string, error) {
	if len(s.names) == 0 {
		return []string{s.query}, nil
	}
	ids, err := s.ids(ctx)
	var list []string
	for some := range slices.Chunk(ids, 100) { // of 30 bytes: see query.MaxLength
		var terms []string
		for _, id := range some {
			terms = append(terms, "node.id=="+query.Quote(id))
		}
		list = append(list, strings.Join(terms, "||"))
	}
	return list, err
}

// each does something for every node that is meant. One failure does not spare
// the others.
func (s *stocktaking) each(ctx context.Context, do func(ctx context.Context, id string, only bool) error) error {
	ids, err := s.ids(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return s.none()
	}
	var errs []error
	for _, id := range ids {
		if err := do(ctx, id, len(ids) == 1); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// eachJSON is each for what is printed as one list, of several nodes.
func (s *stocktaking) eachJSON(ctx context.Context, do func(ctx context.Context, id string, only bool) error) error {
	err := s.each(ctx, do)
	if s.json && len(s.names) != 1 && len(s.printed) > 0 {
		err = errors.Join(s.print(s.printed), err)
	}
	return err
}

func (s *stocktaking) none() error {
	if s.query != "" {
		return errors.New("--select holds for no node")
	}
	return errors.New("the head knows no node yet")
}

// print writes JSON.
func (s *stocktaking) print(value any) error {
	e := json.NewEncoder(s.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(value)
}
