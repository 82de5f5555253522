package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender is one way to do a thing: a pipeline.
type contender struct {
	name   string
	ours   bool
	stages [][]string
	seen   []result
	size   int64 // of what it made, bytes
}

// contest is one thing to be done, by several contenders in turn.
type contest struct {
	name   string
	output string       // what they make, removed before each run; "" for none
	ready  func() error // what has to be so before each run; may be nil
	check  func() error // whether the output is right; may be nil
	all    []*contender
}

// run lets all contenders run in turn, rounds times. What else the machine does
// hits all alike.
func (c *contest) run(ctx context.Context, rounds int) (string, error) {
	for round := range rounds {
		for i := range c.all {
			x := c.all[(i+round)%len(c.all)]
			if c.output != "" {
				os.Remove(c.output)
			}
			if c.ready != nil {
				if err := c.ready(); err != nil {
					return "", err
				}
			}
			syscall.Sync() // what the last one left in the cache is not this one's
			r, err := pipeline(ctx, x.stages)
			if err != nil {
				return "", fmt.Errorf("%s: %w", x.name, err)
			}
			x.seen = append(x.seen, r)
			if info, err := os.Stat(c.output); err == nil {
				x.size = info.Size()
			}
			if c.check != nil && round == 0 {
				if err := c.check(); err != nil {
					return "", fmt.Errorf("%s: %w", x.name, err)
				}
			}
		}
	}
	if c.output != "" {
		os.Remove(c.output)
	}
	return c.table(), nil
}

// table has the median of each contender, and how many times as long as the best
// of ours each other one takes.
func (c *contest) table() string {
	var b strings.Builder
	var ours time.Duration
	wall := func(x *contender) time.Duration {
		return median(x.seen, func(r result) time.Duration { return r.wall })
	}
	for _, x := range c.all {
		if w := wall(x); x.ours && (ours == 0 || w < ours) {
			ours = w
		}
	}
	fmt.Fprintf(&b, "\n%s\n%-28s %8s %9s %8s %8s %10s\n", c.name, "", "wall", "x ours", "CPU", "memory", "made")
	for _, x := range c.all {
		peak := slices.MaxFunc(x.seen, func(a, b result) int { return cmp.Compare(a.peak, b.peak) }).peak
		cpu := median(x.seen, func(r result) time.Duration { return r.cpu })
		fmt.Fprintf(&b, "%-28s %6.2f s %9.2f %6.2f s %5d MB %6d MiB\n", x.name, wall(x).Seconds(),
			wall(x).Seconds()/ours.Seconds(), cpu.Seconds(), peak/1e6, x.size>>20)
	}
	for _, x := range c.all {
		fmt.Fprintf(&b, "  %s: %s\n", x.name, words(x.stages))
	}
	return b.String()
}

func median(all []result, of func(result) time.Duration) time.Duration {
	v := make([]time.Duration, len(all))
	for i, r := range all {
		v[i] = of(r)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
