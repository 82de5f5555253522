package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/version"
)

const help = `savenode reads what is in use on a disk into an image.

usage: savenode [flags] DISK DEST

DISK is a device (/dev/sda), a selector (first, serial=S, bus=nvme,size>=400G; see
imagenode --help) or a regular file. A disk with something mounted is refused.

DEST is a path, an http or https URL that takes a PUT, or - for standard output.
A file gets its name only when it is complete; a server is sent a digest to check.

The image is zstd with an index: imagenode writes it to a disk, and so does
zstd -dc | dd. What is in use is told from the filesystems' own metadata (ext2-4,
xfs, btrfs, FAT, exFAT, NTFS, swap, LVM2); what is not understood is saved whole,
and the image says so. A DEST that is called .ndz, or --format ndz, makes of the same
an image for frisbee and imageunzip, which has no place for notes.

flags:
`

const examples = `
examples:
  savenode /dev/sda node.img.zst
  savenode --level 9 first http://10.0.0.1:8080/images/node.img.zst
  savenode --scrub --partition 2 /dev/sda root.img.zst
  savenode --parent http://10.0.0.1:8080/images/base.img.zst first \
           http://10.0.0.1:8080/images/new.img.zst
  savenode /dev/sda NODE.ndz
  savenode serial=S64ENX0T - | ssh other 'cat > node.img.zst'

exit codes: 0 saved   1 failed, DEST is as it was   2 usage
            3 refused, nothing was begun
`

// order is what the command line asks for.
type order struct {
	imaging.SaveOptions
	mode    progress.Mode
	receipt string
	dryRun  bool
}

// run does what args say. Events go to stdout, or to stderr where the image
// itself goes to stdout.
func run(ctx context.Context, _ io.Reader, stdout, stderr io.Writer, args []string) error {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	show := stdout
	if o.Dest == "-" {
		show = stderr
	}
	debug.SetGCPercent(50) // garbage is scarce here and buffers are many: collect it early
	o.Stdout, o.Tool = stdout, "savenode "+version.String()
	if o.dryRun {
		plan, err := imaging.PlanSave(ctx, o.SaveOptions)
		fmt.Fprint(show, plan)
		return err
	}
	p := progress.New(show, o.mode)
	o.Events = p.Sink()
	receipt, err := imaging.Save(ctx, o.SaveOptions)
	p.Close()
	if err != nil {
		return err
	}
	if o.mode == progress.JSON {
		err = json.NewEncoder(show).Encode(map[string]any{"receipt": receipt})
	} else {
		fmt.Fprintln(show, receipt)
	}
	return errors.Join(err, save(o.receipt, receipt))
}

// save writes the receipt as JSON, if that is wanted.
func save(path string, r *imaging.Receipt) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o666)
}

func parse(args []string, stdout io.Writer) (*order, error) {
	o := &order{mode: progress.Auto}
	var asJSON, verbose bool
	f := flag.NewFlagSet("savenode", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar((*string)(&o.Format), "format", "", "`FORMAT`: orbit; ndz, as frisbee and imageunzip read it; or every byte of the disk: raw, raw.zst (default ndz where DEST is called .ndz, else orbit)")
	f.IntVar(&o.Level, "level", imaging.DefaultLevel, "`LEVEL` of zstd, 1 (fast) to 22 (small)")
	f.IntVar(&o.Partition, "partition", 0, "save only partition `N`")
	f.StringVar(&o.Parent, "parent", "", "`IMAGE`, a path or URL: send only what differs from it, where DEST is on the same head")
	f.BoolVar(&o.Rescue, "rescue", false, "where the disk cannot be read, go on: zeros are in the image, which says where")
	f.BoolVar(&o.Scrub, "scrub", false, "leave out machine-id, ssh host keys, DHCP leases, logs and shell histories (ext, xfs)")
	f.BoolVar(&o.Whole, "whole", false, "save what is not in use, too")
	f.StringVar(&o.Node, "node", "", "`NAME` that the image gives as its origin (default the host name)")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be saved, and stop")
	f.BoolVar(&o.Sum, "sha256", false, "write DEST.sha256, too, where DEST is a path")
	f.BoolVar(&o.Force, "force", false, "save the disk though something on it is mounted: files that change will be torn")
	f.BoolVar(&asJSON, "json", false, "print progress as JSON lines")
	f.StringVar(&o.receipt, "receipt", "", "write what was done into `FILE`, as JSON")
	f.DurationVar(&o.Wait, "wait", 0, "how `LONG` to wait for the disk to appear (30s)")
	f.DurationVar(&o.Patience, "patience", time.Minute, "how `LONG` to wait for a server that is silent")
	f.BoolVar(&verbose, "v", false, "log details to standard error")
	f.Usage = func() {
		fmt.Fprint(stdout, help)
		f.SetOutput(stdout)
		f.PrintDefaults()
		f.SetOutput(io.Discard)
		fmt.Fprint(stdout, examples)
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() != 2 {
		return nil, fmt.Errorf("want DISK and DEST, got %d arguments", f.NArg())
	}
	if o.Level < 1 || o.Level > 22 {
		return nil, fmt.Errorf("--level %d: want 1 to 22", o.Level)
	}
	o.Disk, o.Dest = f.Arg(0), f.Arg(1)
	if asJSON {
		o.mode = progress.JSON
	}
	if verbose {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o, nil
}
