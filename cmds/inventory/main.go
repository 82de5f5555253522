// Command inventory describes this machine: docs/inventory.md. Called getmac, it
// prints the MAC address of an interface.
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
	f.Bool("json", false, "print JSON")
	only := f.String("only", "", "gather these `sections` only, with commas between them")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (usage: inventory [flags])", f.Arg(0))
	}
	var o inventory.Options
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if err := inventory.CheckSections(o.Only); err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	return e.Encode(inventory.Gather(ctx, o))
}
