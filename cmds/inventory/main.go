// Command inventory describes this machine.
//
//	inventory [--json | --macs]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/inventory"
)

func main() {
	err := run(context.Background(), os.Stdout, os.Stderr, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	f := flag.NewFlagSet("inventory", flag.ContinueOnError)
	f.SetOutput(stderr)
	asJSON := f.Bool("json", false, "print JSON")
	macs := f.Bool("macs", false, "print the Ethernet addresses, one a line")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (usage: inventory [--json | --macs])", f.Arg(0))
	}
	m, err := inventory.Gather(ctx, "/")
	if err != nil { // the facts that could be read still count
		fmt.Fprintln(stderr, "inventory:", err)
	}
	switch {
	case *macs:
		for _, mac := range m.MACs() {
			fmt.Fprintln(stdout, mac)
		}
		return nil
	case *asJSON:
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(m)
	}
	return m.Table(stdout)
}
