// Savenode reads a disk into an image.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/orbit-pxe/orbit/pkg/imaging"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(code(os.Stderr, run(ctx, os.Stdin, os.Stdout, os.Stderr, os.Args[1:])))
}

// usageError is a command line that was not understood.
type usageError struct{ error }

// code is the exit code for err, which it prints.
func code(stderr io.Writer, err error) int {
	var usage usageError
	var refused *imaging.RefusedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "savenode: %v (see savenode --help)\n", err)
		return 2
	case errors.As(err, &refused):
		fmt.Fprintf(stderr, "savenode: %v\n", err)
		return 3
	}
	fmt.Fprintf(stderr, "savenode: %v\n", err)
	return 1
}
