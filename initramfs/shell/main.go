// Command shell is the rescue shell of a node: Bourne syntax, line editing,
// history and completion on a console.
//
//	shell                    asks for commands, or reads them from standard input
//	shell -c COMMAND [ARG]...
//	shell SCRIPT [ARG]...
//
// mvdan.cc/sh interprets, github.com/peterh/liner edits lines.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	os.Exit(run(context.Background(), os.Stdin, os.Stdout, os.Stderr, os.Args[1:]))
}

// run returns the exit status: that of the last command, or 2 for a usage
// or syntax error.
func run(ctx context.Context, stdin *os.File, stdout, stderr io.Writer, args []string) int {
	flags := flag.NewFlagSet("shell", flag.ContinueOnError)
	flags.SetOutput(stderr)
	command := flags.String("c", "", "run `COMMAND`")
	flags.Bool("l", false, "ignored: there is no login")
	flags.Bool("i", false, "ignored: a terminal makes the shell interactive")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	params := flags.Args()
	if *command == "" && len(params) > 0 {
		params = params[1:]
	}
	terminal := *command == "" && flags.NArg() == 0 && term.IsTerminal(int(stdin.Fd()))
	runner, err := interp.New(
		interp.StdIO(stdin, stdout, stderr),
		interp.Params(append([]string{"--"}, params...)...),
		interp.Interactive(terminal),
	)
	if err != nil {
		fmt.Fprintln(stderr, "shell:", err)
		return 1
	}
	switch {
	case terminal:
		err = interact(ctx, runner, stdin, stdout)
	case *command != "":
		err = script(ctx, runner, strings.NewReader(*command))
	case flags.NArg() > 0:
		var f *os.File
		if f, err = os.Open(flags.Arg(0)); err == nil {
			defer f.Close()
			err = script(ctx, runner, f)
		}
	default:
		err = script(ctx, runner, stdin)
	}
	return status(stderr, err)
}

// script runs statements one after the other as they are read, so that those
// before a syntax error, or before the end of a slow pipe, have run.
func script(ctx context.Context, runner *interp.Runner, r io.Reader) error {
	var last error
	err := syntax.NewParser().Stmts(r, func(s *syntax.Stmt) bool {
		last = runner.Run(ctx, s)
		return !runner.Exited()
	})
	if err != nil {
		return err
	}
	return last
}

// status is the exit status for what a command returned.
func status(stderr io.Writer, err error) int {
	if code, ok := interp.IsExitStatus(err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(stderr, "shell:", err)
		return 2
	}
	return 0
}
