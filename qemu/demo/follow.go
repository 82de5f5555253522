package main

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// follower passes on events that it has not seen yet: the head gives the whole
// record each time, in which progress of a step is replaced by later progress.
type follower struct {
	sink api.Sink
	seen map[key]bool
}

type key struct {
	time  time.Time
	step  api.Step
	state api.State
}

func newFollower(sink api.Sink) *follower {
	return &follower{sink: sink, seen: map[key]bool{}}
}

func (f *follower) events(list []api.Event) {
	for _, e := range list {
		k := key{e.Time, e.Step, e.State}
		if !f.seen[k] {
			f.seen[k] = true
			f.sink(e)
		}
	}
}
