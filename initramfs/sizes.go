package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// sizes prints what each command adds to the binary: the size with all of
// them less the size without that one. What two commands share is counted for
// neither.
func (b *builder) sizes(ctx context.Context, stdout io.Writer) error {
	unlock, err := b.lock()
	if err != nil {
		return err
	}
	defer unlock()
	bb := b.busybox(b.list)
	if err := bb.Generate(ctx); err != nil {
		return err
	}
	binary := filepath.Join(b.source.root, generated, "bb.size")
	defer os.Remove(binary)
	without := func(name string) (int64, error) {
		if err := bb.Link(ctx, b.list.Without(name), binary); err != nil {
			return 0, err
		}
		info, err := os.Stat(binary)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	all, err := without("")
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, c := range b.list.Commands {
		size, err := without(c.Name())
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%d\t%s\n", c.Name(), all-size, c.Reason)
	}
	fmt.Fprintf(table, "all\t%d\n", all)
	return table.Flush()
}
