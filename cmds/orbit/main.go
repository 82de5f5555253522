// Command orbit is the main program of a node: process 1, the agent, and the
// verbs a person types at a node's shell. "orbit help" lists them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/version"
)

func main() {
	if os.Getpid() == 1 { // whatever the name and arguments: the kernel passes its own
		initialise()
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	os.Exit(code(os.Stderr, run(ctx, os.Stdout, os.Stderr, os.Args[1:])))
}

// exit is an error with an exit code of its own. Without an error in it all is
// said already.
type exit struct {
	code int
	error
}

func (e *exit) Unwrap() error { return e.error }

// code is the exit code for err, which it prints.
func code(stderr io.Writer, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var e *exit
	if errors.As(err, &e) && e.error == nil {
		return e.code
	}
	fmt.Fprintln(stderr, "orbit:", err)
	if e != nil {
		return e.code
	}
	return 1
}

// verb is one thing orbit does. run gets the arguments after the verb.
type verb struct {
	name, args, meaning string
	run                 func(ctx context.Context, stdout, stderr io.Writer, args []string) error
}

func verbs() []verb {
	return append([]verb{
		{"agent", "", "be the agent: network, job, report, what follows; process 1 starts it", agentVerb},
		{"boot", "[flags] [DISK]", "start what a disk would boot, without firmware (kexec)", bootVerb},
		{"burnin", burninArgs, "try a machine hard: memory, processors, disks, network", burninVerb},
		{"image", "VERB [flags] IMAGE", "look at images: " + imageWords() + "; orbit image help tells more", imageVerb},
		{"net", "", "bring the network up and tell how", netVerb},
		{"rejoin", "[flags] ARTIFACTS", "leave a running Linux for Orbit, without firmware (kexec)", rejoinVerb},
		{"init", "", "be process 1; the kernel starts it", initVerb},
		{"version", "", "print the version", versionVerb},
	}, moreVerbs()...)
}

func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return help(stdout)
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, stdout, stderr, args[1:])
		}
	}
	return fmt.Errorf("no verb %q (try orbit help)", args[0])
}

func help(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Orbit %s: images machines over the network. Verbs on a node:\n\n", version.String())
	for _, v := range verbs() {
		fmt.Fprintf(t, "  orbit %s %s\t%s\n", v.name, v.args, v.meaning)
	}
	fmt.Fprintln(t, "\nBeside it: imagenode, savenode, inventory. Each explains itself with --help.")
	return t.Flush()
}

func versionVerb(_ context.Context, stdout, _ io.Writer, _ []string) error {
	_, err := fmt.Fprintln(stdout, "orbit", version.String())
	return err
}
