//go:build !node

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/client"
	"github.com/orbit-pxe/orbit/pkg/units"
)

const (
	burninArgs     = "--here [flags] | NODE... [flags]"
	moreBurninHelp = `
Nodes get it as a job from their head, when they are free or boot next. NODE is a MAC
address, the end of one, a serial number or a name.

  orbit burnin --here --for 1h
  orbit burnin --all --for 24h --memory 0.9 --disk
  orbit burnin --select 'memory.total>=64GB' --for 10m --wait
  orbit burnin --here --destructive serial=S64ENX0T
`
	headDefault = " (default http://127.0.0.1:8080, and --here none, but on a node its own)"
)

// poll is how often the head is asked how far the nodes are.
const poll = 2 * time.Second

// trialMore is which nodes are to be tried.
type trialMore struct {
	all   bool
	query string
	wait  bool
	then  string
}

func (m *trialMore) flags(f *flag.FlagSet) {
	f.BoolVar(&m.all, "all", false, "try all nodes of the head")
	f.StringVar(&m.query, "select", "", "try the nodes for which an `expression` about their inventory holds")
	f.BoolVar(&m.wait, "wait", false, "wait until all have ended, and print the results")
	f.StringVar(&m.then, "then", "", "what a node does `afterwards`, if all tests passed: kexec, reboot, poweroff or shell (default shell)")
}

func (m *trialMore) chosen() bool { return m.all || m.query != "" || m.wait || m.then != "" }

// tried is a node on trial, and its JSON.
type tried struct {
	Node   string           `json:"node"`
	Job    string           `json:"job"`
	State  api.JobState     `json:"state"`
	Error  string           `json:"error,omitempty"`
	Burnin *hardware.Burnin `json:"burnin,omitempty"`
}

// assign gives nodes the job, and waits for the results if that is wanted.
func (t *trial) assign(ctx context.Context, names []string) error {
	if err := t.check(names); err != nil {
		return err
	}
	c := client.Client{URL: cmp.Or(t.head, "http://127.0.0.1:8080"), HTTP: &http.Client{Timeout: time.Minute}}
	ids, err := t.nodes(ctx, c, names)
	if err != nil {
		return err
	}
	var errs []error
	var on []*tried
	for _, id := range ids {
		n, err := c.Assign(ctx, id, api.Job{Kind: api.Burnin, Then: api.Then(t.more.then), Burnin: &t.BurninOptions})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
			continue
		}
		on = append(on, &tried{Node: n.ID, Job: n.Job.ID, State: n.State})
		if !t.json {
			fmt.Fprintf(t.stdout, "%s burnin job %s assigned\n", n.ID, n.Job.ID)
		}
	}
	if t.more.wait {
		errs = append(errs, t.follow(ctx, c, on))
	}
	return errors.Join(append(errs, t.report(on))...)
}

func (t *trial) check(names []string) error {
	ways := 0
	for _, is := range []bool{len(names) > 0, t.more.all, t.more.query != ""} {
		if is {
			ways++
		}
	}
	switch {
	case ways == 0:
		return usage("want --here, or NODE, --select or --all (see --help)")
	case ways > 1:
		return usage("want nodes, --select or --all, not several of them")
	case t.dryRun:
		return usage("--dry-run is for --here")
	}
	if t.more.query == "" {
		return nil
	}
	if _, err := query.Parse(t.more.query); err != nil {
		return usage("--select: %w", err)
	}
	return nil
}

// nodes are the IDs of those that are meant, at least one.
func (t *trial) nodes(ctx context.Context, c client.Client, names []string) (ids []string, err error) {
	if t.more.query != "" {
		ids, err = c.Select(ctx, t.more.query)
		if err == nil && len(ids) == 0 {
			err = errors.New("--select holds for no node")
		}
		return ids, err
	}
	if t.more.all {
		names = []string{"all"}
	}
	for _, name := range names {
		some, err := c.Find(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, id := range some {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// follow waits until all jobs have ended, and gets the results from the inventories.
func (t *trial) follow(ctx context.Context, c client.Client, on []*tried) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	failures := 0
	for left := len(on); left > 0; {
		list, err := c.Nodes(ctx)
		if err == nil {
			failures = 0
		} else if failures++; ctx.Err() != nil || failures > 30 { // it may be started anew
			return err
		}
		for _, n := range list {
			i := slices.IndexFunc(on, func(x *tried) bool { return x.Node == n.ID && !x.ended() })
			if i < 0 {
				continue
			}
			if on[i].see(ctx, c, n); on[i].ended() {
				left--
				if !t.json {
					fmt.Fprintf(t.stdout, "%s %s\n", n.ID, clean(on[i].words()))
				}
			}
		}
		if left == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

func (x *tried) ended() bool { return x.State == api.Succeeded || x.State == api.Broken }

// see takes what the head says of a node.
func (x *tried) see(ctx context.Context, c client.Client, n api.Node) {
	if n.Job == nil || n.Job.ID != x.Job {
		x.State, x.Error = api.Broken, "the node was given another job, or none"
		return
	}
	if x.State = n.State; !x.ended() {
		return
	}
	x.Error = n.Console
	var d hardware.Document
	text, _, err := c.Inventory(ctx, x.Node, "")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	switch {
	case err != nil && x.Error == "":
		x.Error = "its inventory does not have the result: " + err.Error()
	case err == nil && (n.State == api.Succeeded || d.Burnin != nil && !d.Burnin.Passed):
		x.Burnin = d.Burnin
	}
}

// words are the result in short.
func (x *tried) words() string {
	if x.State == api.Broken {
		return "FAILED: " + cmp.Or(x.Error, "no reason is known")
	}
	return "passed"
}

// report prints the results, and is an error if one of them is bad.
func (t *trial) report(on []*tried) error {
	if t.json {
		e := json.NewEncoder(t.stdout)
		for _, x := range on {
			if err := e.Encode(x); err != nil {
				return err
			}
		}
	}
	bad, ended := 0, 0
	for _, x := range on {
		if x.ended() {
			ended++
		}
		if x.State == api.Broken {
			bad++
		}
	}
	if ended == 0 {
		return nil
	}
	if !t.json {
		if err := t.table(on); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d nodes failed", bad, len(on))
	}
	return nil
}

// table prints a line for each node and test.
func (t *trial) table(on []*tried) error {
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nNODE\tTEST\tRESULT\tDONE\tRATE")
	for _, x := range on {
		if x.Burnin == nil {
			fmt.Fprintf(w, "%s\t-\t%s\n", x.Node, clean(strings.Join(strings.Fields(x.words()), " ")))
			continue
		}
		for _, r := range x.Burnin.Tests {
			word, done, rate := "passed", "-", "-"
			if !r.Passed {
				word = "FAILED: " + clean(r.Error)
			}
			if r.Readings != nil {
				done, rate = units.Bytes(r.Readings.Bytes), units.Bytes(int64(r.Readings.Rate))+"/s"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Node, clean(r.ID), word, done, rate)
		}
	}
	return w.Flush()
}
