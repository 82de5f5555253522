//go:build !node

package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// maxGuests are the clients that are remembered, and maxNews those that wait to
// be told of: names cost a stranger nothing.
const (
	maxGuests = 4096
	maxNews   = 1024
)

// guest is a client of a session, and its JSON. What it says of itself nobody
// checks.
type guest struct {
	Address netip.Addr `json:"client"`
	ID      uint32     `json:"id"`
	Left    bool       `json:"left"`
	Seconds float64    `json:"seconds,omitempty"` // that it took, if it has left
	Written uint64     `json:"written,omitempty"` // bytes to its disk
	Lost    uint64     `json:"lost"`              // blocks that it asked for again
}

type guestKey struct {
	addr netip.Addr
	id   uint32
}

// guests are the clients that came.
type guests struct {
	out  *teller
	news chan struct{} // holds a token when there is something to tell

	mu     sync.Mutex
	known  map[guestKey]*guest
	queue  []frisbee.Event
	missed int // events that were too many to tell
}

func newGuests(out *teller) *guests {
	return &guests{out: out, news: make(chan struct{}, 1), known: map[guestKey]*guest{}}
}

// hear takes an event of the server. It does not wait for who is told.
func (g *guests) hear(e frisbee.Event) {
	if e.Kind == frisbee.Progress {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k := guestKey{e.Client, e.ID}
	v := g.known[k]
	if v == nil {
		if len(g.known) >= maxGuests {
			return
		}
		v = &guest{Address: e.Client, ID: e.ID}
		g.known[k] = v
	}
	if e.Kind == frisbee.Left {
		e.Elapsed = elapsed(e)
		v.Left, v.Seconds = true, e.Elapsed.Seconds()
		if e.Stats != nil {
			v.Written = e.Stats.Written
		}
	}
	if len(g.queue) >= maxNews {
		g.missed++
		return
	}
	g.queue = append(g.queue, e)
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// elapsed is how long a client that leaves says that it took, as precisely as it
// does.
func elapsed(e frisbee.Event) time.Duration {
	if s := e.Stats; s != nil && s.RunSeconds >= 0 && s.RunMillis >= 0 && s.RunMillis < 1000 && s.RunSeconds+s.RunMillis > 0 {
		return time.Duration(s.RunSeconds)*time.Second + time.Duration(s.RunMillis)*time.Millisecond
	}
	return e.Elapsed
}

// tell tells what is new.
func (g *guests) tell() {
	g.mu.Lock()
	queue, missed := g.queue, g.missed
	g.queue, g.missed = nil, 0
	g.mu.Unlock()
	for _, e := range queue {
		line := struct {
			told
			Client  netip.Addr `json:"client"`
			ID      uint32     `json:"id"`
			Seconds float64    `json:"seconds,omitempty"`
			Written uint64     `json:"written,omitempty"`
		}{told: tell("joined"), Client: e.Client, ID: e.ID}
		if e.Kind == frisbee.Left {
			line.Event, line.Seconds = "left", e.Elapsed.Seconds()
			if e.Stats != nil {
				line.Written = e.Stats.Written
			}
			g.out.line("left    %s after %s", e.Client, units.Duration(e.Elapsed))
		} else {
			g.out.line("joined  %s", e.Client)
		}
		g.out.event(line)
	}
	if missed > 0 {
		g.out.line("and %d more came or went", missed)
	}
}

// all are the clients in order of their addresses, with what the server knows
// of them.
func (g *guests) all(members []frisbee.Member) []guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range members {
		if v := g.known[guestKey{m.Addr, m.ID}]; v != nil {
			v.Lost = m.Lost
		}
	}
	list := make([]guest, 0, len(g.known))
	for _, v := range g.known {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b guest) int { return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.ID, b.ID)) })
	return list
}

// printGuests prints a line for each client, in columns.
func printGuests(out *teller, list []guest) {
	if len(list) == 0 {
		return
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tTIME\tWRITTEN\tASKED AGAIN")
	for _, v := range list {
		took, written := "not left", "-"
		if v.Left {
			took = units.Duration(time.Duration(v.Seconds * float64(time.Second)))
		}
		if v.Written > 0 {
			written = units.Bytes(int64(min(v.Written, 1<<62)))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Address, took, written, count(int64(v.Lost), "block"))
	}
	t.Flush()
	out.line("%s", strings.TrimSuffix(text.String(), "\n"))
}
