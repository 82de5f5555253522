package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Exit codes of orbit image, beside 0 for done and 1 for failed.
const (
	exitUsage   = 2
	exitDamaged = 3 // what was looked at is no image, or not a sound one
	exitTrust   = 4 // it is sound, and not the one that was asked for
)

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// imageVerbs are what orbit image does. On a node there is only the first.
func imageVerbs() []verb {
	return append([]verb{
		{"inspect", "[--json | --root] IMAGE", "tell what an image holds, from its index alone", inspectVerb},
	}, moreImageVerbs()...)
}

func imageWords() string {
	var names []string
	for _, v := range imageVerbs() {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

func imageVerb(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return imageHelp(stdout)
	}
	for _, v := range imageVerbs() {
		if v.name == args[0] {
			if err := v.run(ctx, stdout, stderr, args[1:]); err != nil {
				return fmt.Errorf("image %s: %w", v.name, err)
			}
			return nil
		}
	}
	return usage("no verb image %q (try orbit image help)", args[0])
}

func imageHelp(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "IMAGE is a path, or an http or https URL on a server that gives parts of files.\n\n")
	for _, v := range imageVerbs() {
		fmt.Fprintf(t, "  orbit image %s %s\t%s\n", v.name, v.args, v.meaning)
	}
	fmt.Fprint(t, "\nEach explains itself with --help. Exit codes: 0 done, 1 failed, 2 wrong usage,\n"+
		"3 no image or a damaged one, 4 not the image that was asked for.\n")
	return t.Flush()
}

func imageFlags(stdout io.Writer, name, args, what string) *flag.FlagSet {
	return verbFlags(stdout, "image "+name, args, what)
}

// verbFlags makes the flags of a verb. what explains it.
func verbFlags(stdout io.Writer, name, args, what string) *flag.FlagSet {
	f := flag.NewFlagSet("orbit "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {
		fmt.Fprintf(stdout, "usage: orbit %s %s\n\n%s\n", name, args, what)
		f.SetOutput(stdout)
		f.PrintDefaults()
		f.SetOutput(io.Discard)
	}
	return f
}

// parseArgs reads flags before and after the n other arguments that a verb wants.
func parseArgs(f *flag.FlagSet, args []string, want ...string) ([]string, error) {
	rest, err := scatter(f, args)
	if err != nil {
		return nil, err
	}
	if len(rest) != len(want) {
		return nil, usage("want %s, got %d arguments (see --help)", strings.Join(want, " and "), len(rest))
	}
	return rest, nil
}

// scatter reads flags before and after any number of other arguments.
func scatter(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if err != nil {
			return nil, usage("%w", err)
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
}
