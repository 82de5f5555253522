// Command inventory describes this machine: docs/inventory.md. Called getmac, or
// with that as its first word, it prints the MAC address of an interface.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if name != "getmac" && len(args) > 0 && args[0] == "getmac" {
		name, args = args[0], args[1:]
	}
	var err error
	if name == "getmac" {
		err = getmac("/", os.Stdout, args)
	} else {
		name = "inventory"
		err = run(ctx, os.Stdin, os.Stdout, args)
	}
	stop()
	os.Exit(code(os.Stderr, name, err))
}

// exit is an error with an exit code of its own. Without an error within it is
// one of which all is said.
type exit struct {
	code int
	error
}

func (e *exit) Unwrap() error { return e.error }

const exitTrouble = 2 // wrong usage, and with --diff whatever else is not a difference

// code is the exit code for err, which it prints.
func code(stderr io.Writer, name string, err error) int {
	var e *exit
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &e) && e.error == nil:
		return e.code
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if e != nil {
		return e.code
	}
	return 1
}
