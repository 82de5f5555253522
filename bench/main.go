// Bench measures imagenode side by side with the usual ways to put an image on
// a disk: zstd into dd, and qemu-img convert from qcow2, uncompressed and
// compressed. All write the same 2 GiB disk, real files in an ext4 on a GPT, to
// a file in memory and to a file on a disk, as O_DIRECT as the target allows,
// and flush it. The rounds are interleaved, so that what else the machine does
// hits all alike.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	dir := f.String("dir", filepath.Join(os.TempDir(), "orbit-bench"), "`DIR` on a disk for images, kept for the next time, and for the target")
	ram := f.String("ram", "/dev/shm", "`DIR` in memory for the target; empty: leave that out")
	rounds := f.Int("rounds", 5, "how often each is measured")
	f.Parse(args)

	set, err := prepare(ctx, *dir)
	if err != nil {
		return err
	}
	for _, where := range []struct{ words, dir string }{{"file in memory", *ram}, {"file on a disk", *dir}} {
		if where.dir == "" {
			continue
		}
		target := filepath.Join(where.dir, "orbit-bench-disk")
		table, err := set.compare(ctx, target, *rounds)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s (%s), median of %d\n%s", where.words, target, *rounds, table)
	}
	return nil
}
