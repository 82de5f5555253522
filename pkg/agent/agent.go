// Package agent is the life of a node: network, word to the head, job, report,
// and what follows.
package agent

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/console"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// Config is what the agent is told.
type Config struct {
	Cmdline string // of the kernel
	State   string // directory for what outlives the agent
}

// Run is the agent. It returns only when ctx ends.
func Run(ctx context.Context, c Config) error {
	params, err := bootparam.Parse(c.Cmdline)
	out := console.Open(console.List(params.Consoles), console.Options{
		Busy:  func(path string) bool { return console.IsBusy(c.State, path) },
		Stamp: uptime,
	})
	defer out.Close(context.WithoutCancel(ctx))
	out.Line("orbit " + version.String())
	if err != nil {
		out.Line(err.Error())
	}
	<-ctx.Done()
	return ctx.Err()
}

// uptime is the time since the kernel started.
func uptime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano())
}
