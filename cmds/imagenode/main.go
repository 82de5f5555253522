// Imagenode writes a disk image to a disk.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/orbit-pxe/orbit/pkg/imaging"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A write that waits for the disk keeps its processor from the decoders
	// until the scheduler notices: one more is worth a tenth of the time.
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
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
		fmt.Fprintf(stderr, "imagenode: %v (see imagenode --help)\n", err)
		return 2
	case errors.As(err, &refused):
		fmt.Fprintf(stderr, "imagenode: %v\n", err)
		return 3
	}
	fmt.Fprintf(stderr, "imagenode: %v\n", err)
	return 1
}
