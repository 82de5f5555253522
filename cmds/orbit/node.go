package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

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

// agentVerb runs the agent: on the consoles if process 1 started it, here if a
// person did.
func agentVerb(ctx context.Context, _, stderr io.Writer, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("agent: unexpected argument %q (it reads /proc/cmdline)", args[0])
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	params, wrong := bootparam.Parse(string(line))
	options := console.Options{Stamp: agent.Uptime}
	paths := []string{"/proc/self/fd/1"}
	if os.Getppid() == 1 {
		paths = console.List(params.Consoles)
		options.Busy = func(path string) bool { return console.IsBusy(state, path) }
		traceCrashes(stderr)
	}
	out := console.Open(paths, options)
	defer closeOutput(out)
	journal := console.NewJournal(out, filepath.Join(state, "log"), 1<<20)
	defer journal.Close()
	if wrong != nil {
		journal.Urgent(wrong.Error())
	}
	log := journal.Logger()
	return agent.Run(ctx, agent.Config{
		Params: params, State: state, Out: journal, Log: log, Machine: agent.ThisMachine(log),
	})
}

func closeOutput(out *console.Output) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	out.Close(ctx)
}

// traceCrashes has the Go runtime leave the trace of a crash in a file too:
// the one on the console scrolls away.
func traceCrashes(stderr io.Writer) {
	if err := os.MkdirAll(state, 0o755); err != nil {
		fmt.Fprintln(stderr, "orbit:", err)
		return
	}
	path := filepath.Join(state, "crash")
	os.Rename(path, path+".old") // of the run before, if there was one
	f, err := os.Create(path)
	if err != nil {
		fmt.Fprintln(stderr, "orbit:", err)
		return
	}
	defer f.Close() // the runtime keeps a descriptor of its own
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		fmt.Fprintln(stderr, "orbit:", err)
	}
}
