// Orbitd is the head of an Orbit network: it boots nodes, serves and stores
// images, gives nodes their jobs and records what they report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// verb is one thing that orbitd does.
type verb struct {
	name, usage, meaning string
	run                  func(ctx context.Context, stdout, stderr io.Writer, args []string) error
}

func verbs() []verb {
	return []verb{
		{"serve", "--interface IF --dir DIR [flags]", "boot and serve the nodes on one network", serve},
		{"assign", "NODE|all|--select EXPR --job image|save|boot|inventory|burnin|shell [flags]", "give nodes a job", assign},
		{"nodes", "[--json] [--select EXPR]", "list the nodes and their jobs", nodes},
		{"multicast", "[--json]", "list the images that are sent by multicast now", multicasts},
		{"clear", "NODE|all|--select EXPR", "take a node's job away", clearJob},
	}
}

// usageError is a mistake in the command line: exit code 2.
type usageError struct{ error }

func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) == 0 {
		usage(stderr)
		return usageError{errors.New("no verb given")}
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, stdout, stderr, args[1:])
		}
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		usage(stdout)
		return nil
	}
	usage(stderr)
	return usageError{fmt.Errorf("unknown verb %q", args[0])}
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "orbitd is the head of an Orbit network.")
	fmt.Fprintln(w)
	for _, v := range verbs() {
		fmt.Fprintf(w, "  orbitd %s %s\n        %s\n", v.name, v.usage, v.meaning)
	}
	fmt.Fprintln(w, "\nNODE is a MAC address, the end of one, a serial number or a name. EXPR is about what nodes are")
	fmt.Fprintln(w, "made of: 'disks.size>=1TB && nics.driver==\"ice\"'. \"orbitd VERB --help\" lists flags.")
	fmt.Fprintln(w, "Exit codes: 0 done, 1 failed, 2 wrong usage.")
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintln(stderr, "orbitd:", err)
		return 2
	}
	fmt.Fprintln(stderr, "orbitd:", err)
	return 1
}

// parse reads flags that may stand before and after the other arguments.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err}
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
}
