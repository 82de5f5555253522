package main

import (
	"fmt"
	"slices"
	"time"
)

// goal is what ought to be so, and is or not.
type goal struct {
	Name string
	Met  bool
	Seen string // the numbers
}

func (g goal) String() string {
	verdict := "not met"
	if g.Met {
		verdict = "met    "
	}
	return fmt.Sprintf("%s  %s: %s", verdict, g.Name, g.Seen)
}

// noise is what two transfers at the rate of the link may differ by.
const noise = 1.01

// goals looks at all that the measured cells allow to tell.
func (r *report) goals() (all []goal) {
	for _, c := range r.Cells {
		if c.Way != "multicast" {
			continue
		}
		name, at := c.Condition.Name, fmt.Sprintf("%d clients, %s", c.Clients, c.Condition.Name)
		if one := r.find(name, c.Way, 1); one != nil && c.Clients == 32 {
			x := c.elapsed().Seconds() / one.elapsed().Seconds()
			all = append(all, goal{"32 clients in at most 1.5 x the time of one, " + name, x <= 1.5, fmt.Sprintf("%.2f, with the CPU idle for %.0f %% of it", x, c.idle()*100)})
		}
		if c.Condition.Loss > 0 {
			all = append(all, goal{"at most 1.1 x the image sent to " + at, c.sent() <= 1.1,
				fmt.Sprintf("%.3f, of which headers are %.3f", c.sent(), c.sent()-c.blocks())})
		}
		for _, other := range []string{"udpcast", "udpcast+fec"} {
			if o := r.find(name, other, c.Clients); o != nil {
				all = append(all, goal{"not slower than " + other + " to " + at, c.elapsed().Seconds() <= noise*o.elapsed().Seconds(), against(c, o)})
			}
		}
		if o := r.find(name, "http", 1); o != nil && c.Clients == 1 {
			all = append(all, goal{"at least 0.8 x as fast as HTTP to one client, " + name,
				c.elapsed().Seconds() <= o.elapsed().Seconds()/0.8, against(c, o)})
		}
	}
	if len(r.Costs) == 2 {
		x := r.Costs[0].perGB().Seconds() / r.Costs[1].perGB().Seconds()
		all = append(all, goal{"batched at most half the server's CPU time of block by block", x <= 0.5, fmt.Sprintf("%.2f", x)})
	}
	slices.SortStableFunc(all, func(a, b goal) int {
		switch {
		case a.Met == b.Met:
			return 0
		case b.Met:
			return -1 // what is not met first
		}
		return 1
	})
	return all
}

func against(c, o *cell) string {
	return fmt.Sprintf("%.2f s and %.2f s", c.elapsed().Round(10*time.Millisecond).Seconds(), o.elapsed().Seconds())
}
