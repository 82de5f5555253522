package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// report is all that was measured.
type report struct {
	Ways   []string
	Rounds int
	Cells  []*cell
	Costs  []*cost
	Goals  []goal
}

// cell is one way in one room.
type cell struct {
	Condition condition
	Way       string
	Clients   int
	Image     int64 // bytes
	Rounds    []round
}

func (c *cell) elapsed() time.Duration {
	return median(c.Rounds, func(r round) time.Duration { return r.Elapsed })
}

// sent is in images.
func (c *cell) sent() float64 {
	return median(c.Rounds, func(r round) float64 { return float64(r.Sent) / float64(c.Image) })
}

// blocks is in images, without headers.
func (c *cell) blocks() float64 {
	return median(c.Rounds, func(r round) float64 { return float64(r.Blocks) / float64(c.Image) })
}

func (c *cell) server() time.Duration {
	return median(c.Rounds, func(r round) time.Duration { return r.Server })
}

func (c *cell) idle() float64 {
	return median(c.Rounds, func(r round) float64 { return r.Idle })
}

func (c *cell) client() time.Duration {
	return median(c.Rounds, func(r round) time.Duration { return r.Client })
}

func (c *cost) perGB() time.Duration {
	return median(c.Rounds, func(s spent) time.Duration { return s.PerGB })
}

// median of what is there; of an even number the mean of the two in the middle.
func median[R any, V time.Duration | float64](all []R, of func(R) V) V {
	v := make([]V, len(all))
	for i, r := range all {
		v[i] = of(r)
	}
	slices.SortFunc(v, func(a, b V) int { return cmp.Compare(a, b) })
	n := len(v)
	return (v[n/2] + v[(n-1)/2]) / 2
}

// find gives the cell, or nil where it was not measured.
func (r *report) find(condition, way string, clients int) *cell {
	for _, c := range r.Cells {
		if c.Condition.Name == condition && c.Way == way && c.Clients == clients {
			return c
		}
	}
	return nil
}

func (r *report) String() string {
	var b strings.Builder
	was := ""
	for _, w := range r.Ways {
		fmt.Fprintf(&b, "%s\n", w)
	}
	fmt.Fprintf(&b, "medians of %d rounds; sent is with Ethernet headers, as the interface counts\n", r.Rounds)
	for _, c := range r.Cells {
		if name := c.Condition.Name; name != was {
			was = name
			fmt.Fprintf(&b, "\n%d MiB, %s\n", c.Image/mib, name)
			for _, head := range [][]any{
				{"", "", "", "time,", "sent,", "sent,", "CPU,", "CPU,", "CPU", "server's"},
				{"", "to", "time", "x of 1", "images", "/client", "server", "client", "idle", "memory"},
			} {
				fmt.Fprintf(&b, "%-16s %4s %9s %9s %7s %7s %11s %11s %6s %11s\n", head...)
			}
		}
		relative := "-"
		if one := r.find(c.Condition.Name, c.Way, 1); one != nil {
			relative = fmt.Sprintf("%.2f", c.elapsed().Seconds()/one.elapsed().Seconds())
		}
		idle := "-"
		if i := c.idle(); i >= 0 {
			idle = fmt.Sprintf("%.0f %%", i*100)
		}
		peak := "-"
		if p := slices.MaxFunc(c.Rounds, func(a, b round) int { return cmp.Compare(a.ServerPeak, b.ServerPeak) }).ServerPeak; p > 0 {
			peak = fmt.Sprintf("%d MB", p/1e6)
		}
		fmt.Fprintf(&b, "  %-14s %4d %7.2f s %9s %7.2f %7.3f %9.2f s %9.2f s %6s %11s\n", c.Way, c.Clients, c.elapsed().Seconds(), relative,
			c.sent(), c.sent()/float64(c.Clients), c.server().Seconds(), c.client().Seconds(), idle, peak)
	}
	if len(r.Costs) > 0 {
		fmt.Fprintf(&b, "\n%-36s %14s %14s\n", "the server by itself", "CPU for 1 GB", "it sends")
		for _, c := range r.Costs {
			rate := median(c.Rounds, func(s spent) float64 { return float64(s.Bytes) / s.Elapsed.Seconds() })
			fmt.Fprintf(&b, "  %-34s %12.2f s %9.0f MB/s\n", c.Name, c.perGB().Seconds(), rate/1e6)
		}
	}
	b.WriteString("\ngoals\n")
	for _, g := range r.Goals {
		fmt.Fprintf(&b, "  %s\n", g)
	}
	return b.String()
}
