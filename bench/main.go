// Bench measures savenode and imagenode side by side with what people use for
// the same: partclone with zstd, qemu-img, dd, and openssl for reading a disk
// and hashing it. All have the same 2 GiB ext4, the root of the Debian 12 that
// `make debian` makes and more real files (see fill), and what they write is
// flushed. The rounds are interleaved, so that what else the machine
// does hits all alike; the commands are printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
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
	debian := f.String("debian", "out/debian-12.img", "`DISK` image with a Debian on it, which fills what is saved and written")
	ram := f.String("ram", "/dev/shm", "`DIR` in memory for the target; empty: leave that out")
	rounds := f.Int("rounds", 5, "how often each is measured")
	only := f.String("only", "", "`WORD` in the name of what is to be measured")
	f.Parse(args)

	set, err := prepare(ctx, *dir, *debian)
	if err != nil {
		return err
	}
	var contests []*contest
	contests = append(contests, set.save(*dir))
	if *ram != "" {
		contests = append(contests, set.write("file in memory", *ram))
	}
	contests = append(contests, set.write("file on a disk", *dir), set.delta(*dir))
	contests = append(contests, set.cores(*ram)...)
	for _, c := range contests {
		if *only != "" && !strings.Contains(c.name, *only) {
			continue
		}
		table, err := c.run(ctx, *rounds)
		if err != nil {
			return err
		}
		fmt.Print(table)
	}
	return nil
}
