package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/report"
	"github.com/orbit-pxe/orbit/pkg/inventory"
)

const help = `inventory describes this machine: what it is made of, in what state that is, and
which switches it is plugged into. Nothing is changed, no program is run. Some
facts are for root alone; what could not be learned is said in the end.

usage: inventory [flags]
       inventory --diff OLD.json [flags] [NEW.json]
       inventory getmac [INTERFACE]   (or getmac, where it is installed so)

flags:
`

const examples = `
examples:
  inventory
  inventory --json > today.json
  inventory --only disks,nics
  inventory --diff yesterday.json
  inventory --only nics --lldp 31s

exit codes: 0 done; with --diff: all is the same
            1 failed; with --diff: something is different
            2 wrong usage; with --diff: failed, or not all could be compared
`

// order is what the command line asks for.
type order struct {
	inventory.Options
	json bool
	old  string // file to compare with
	new  string // file to compare instead of this machine
}

// run does what args say.
func run(ctx context.Context, stdin io.Reader, stdout io.Writer, args []string) error {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return &exit{exitTrouble, fmt.Errorf("%w (see inventory --help)", err)}
	case o.old != "":
		return compare(ctx, o, stdin, stdout)
	}
	d, err := gather(ctx, o.Options)
	if err != nil {
		return err
	}
	if o.json {
		return encode(stdout, d)
	}
	return report.Write(stdout, &d, layout(stdout))
}

func parse(args []string, stdout io.Writer) (*order, error) {
	var o order
	f := flag.NewFlagSet("inventory", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {
		fmt.Fprint(stdout, help)
		f.SetOutput(stdout)
		f.PrintDefaults()
		f.SetOutput(io.Discard)
		fmt.Fprint(stdout, examples)
	}
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.Func("only", "gather these `sections` only, with commas between them: "+strings.Join(inventory.Sections(), ", "), func(s string) error {
		o.Only = strings.Split(s, ",")
		return inventory.CheckSections(o.Only)
	})
	f.StringVar(&o.old, "diff", "", "tell what is different from an inventory in a `file` (-: standard input)")
	f.DurationVar(&o.LLDP, "lldp", 0, "listen so `long` for the switches at the other ends of cables, which speak every 30 s (default a little less than --timeout)")
	f.BoolVar(&o.Announce, "announce", false, "tell switches by LLDP who is here, so that they answer and show it")
	f.DurationVar(&o.Each, "timeout", time.Second, "the `time` for each section; disks get twice that")
	f.StringVar(&o.Root, "root", "", "look at files under this `directory` as if it were /")
	var rest []string
	for { // flags may stand behind a file
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
	o.Total = max(3*time.Second, 2*o.Each+time.Second)
	if o.old != "" && len(rest) > 0 {
		o.new, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) > 0:
		return nil, fmt.Errorf("unexpected argument %q", rest[0])
	case o.Each <= 0:
		return nil, errors.New("--timeout: want more than no time, such as 5s")
	case o.old == "-" && o.new == "-":
		return nil, errors.New("standard input is one file only")
	}
	return &o, nil
}

// gather describes the machine, unless it is told to stop.
func gather(ctx context.Context, o inventory.Options) (hardware.Document, error) {
	d := inventory.Gather(ctx, o)
	if ctx.Err() != nil {
		return d, errors.New("interrupted")
	}
	return d, nil
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// layout is for the terminal, if there is one.
func layout(w io.Writer) report.Options {
	f, ok := w.(*os.File)
	if !ok {
		return report.Options{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return report.Options{}
	}
	o := report.Options{Width: int(size.Col), Bold: os.Getenv("TERM") != "dumb"}
	if o.Width == 0 { // as serial lines have it
		o.Width = 80
	}
	return o
}
