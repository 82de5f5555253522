package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/agent"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/console"
	"github.com/orbit-pxe/orbit/pkg/pid1"
)

// state is where the parts of a node keep what outlives the agent.
const state = "/run/orbit"

// initialise is process 1. It does not return.
func initialise() {
	if err := pid1.Prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "orbit: prepare the system:", err)
	}
	line, _ := os.ReadFile("/proc/cmdline")
	params, _ := bootparam.Parse(string(line)) // the agent tells what is wrong with it
	pid1.Supervise(pid1.Config{
		Agent:     []string{"orbit", "agent"},
		Shell:     []string{"gosh"},
		Consoles:  console.List(params.Consoles),
		ShellOpen: func(path string, open bool) { console.MarkBusy(state, path, open) },
	})
}

func initVerb(context.Context, io.Writer, io.Writer, []string) error {
	return errors.New("init: this is not process 1 (the kernel starts it; orbit agent is what a person may start)")
}

func agentVerb(ctx context.Context, _, _ io.Writer, _ []string) error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	return agent.Run(ctx, agent.Config{Cmdline: string(line), State: state})
}
