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
	"strings"
	"syscall"
	"time"

	"github.com/orbit-pxe/orbit/pkg/adapt"
	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/units"
)

const help = `imagenode writes a disk image to a disk.

usage: imagenode [flags] SOURCE DISK

SOURCE is a path, an http or https URL, or - for standard input: an Orbit image, a
raw one, compressed with zstd, gzip, xz or bzip2 or not, qcow2, or .ndz, whatever
its name says. Of an Orbit image only what the disk does not hold already is
fetched and written; to go on after a power cut, do the same again.
  frisbee://GROUP:PORT[%INTERFACE]  a session that sends an .ndz to a room
  frisbee://SERVER[:PORT]/IMAGEID   the one of an image of a frisbee master server

DISK is a device (/dev/sda), a selector, or a regular file, which becomes the
image, decoded. A selector names one disk by what it is, comma-joined terms:
  first                         the first disk, in the order of their buses
  serial=S wwn=W model=M name=N bus=nvme|sata|scsi|virtio|usb|mmc path=P
  size>=400G size<=1T size=...  of 1024s; * stands for anything in a text
If more than one disk matches, imagenode lists them and stops.

The old partition table is cleared first and the new one written last, when the
image is complete, its digest matches, and it is on stable storage. A disk on
which this broke off has no partition table.

flags:
`

const examples = `
examples:
  imagenode --dry-run debian.img.zst first
  imagenode --key room.pub --verify=disk http://head/images/lab.img.zst first
  imagenode --sha256-beside https://head/images/debian.img.zst serial=S64ENX0T
  imagenode --json http://10.0.0.1:8080/images/node.zst bus=nvme,size\>=400G
  imagenode --multicast 239.192.1.1:7000 http://head/images/lab.img.zst first
  imagenode frisbee://boss/project/image /dev/sda
  ssh other 'cat node.img.xz' | imagenode - /dev/sdb

exit codes: 0 written (--dry-run: could be)   1 failed; the message tells what the disk holds
            2 usage                           3 refused, nothing was changed
`

// order is what the command line asks for.
type order struct {
	imaging.WriteOptions
	adapt   adapt.Options
	dryRun  bool
	mode    progress.Mode
	receipt string
}

// run does what args say. Events and the plan go to stdout, log lines to stderr.
func run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args []string) error {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	o.Stdin, o.Sum = stdin, o.receipt != ""
	// Garbage is scarce here and buffers are many: collect it early.
	debug.SetGCPercent(50)
	if !o.adapt.Empty() {
		o.Fits = o.fits
	}
	if o.dryRun {
		return dryRun(ctx, o, stdout)
	}
	paper, err := o.paper()
	if err != nil {
		return err
	}
	defer paper.Close()
	p := progress.New(stdout, o.mode)
	o.Events = p.Sink()
	receipt, err := imaging.Write(ctx, o.WriteOptions)
	if err == nil {
		err = o.finish(ctx, receipt, paper)
	}
	p.Close()
	if err != nil {
		return err
	}
	if o.mode == progress.JSON {
		return json.NewEncoder(stdout).Encode(map[string]any{"receipt": receipt})
	}
	fmt.Fprintln(stdout, receipt)
	return nil
}

// finish does what follows when the image is on the disk.
func (o *order) finish(ctx context.Context, r *imaging.Receipt, paper *os.File) error {
	var err error
	if paper != nil {
		err = save(paper, r)
	}
	if !o.adapt.Empty() {
		err = errors.Join(err, o.fit(ctx, r.Dest))
	}
	if err != nil {
		return fmt.Errorf("the image is on %s, whole, but: %w", r.Dest, err)
	}
	return nil
}

// paper opens the file for the receipt, before anything is written to the disk:
// whoever wants one should not miss it in the end. It is nil where none is wanted.
func (o *order) paper() (*os.File, error) {
	if o.receipt == "" {
		return nil, nil
	}
	f, err := os.OpenFile(o.receipt, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, &imaging.RefusedError{What: "keep a receipt", Reasons: []error{err}}
	}
	return f, nil
}

func dryRun(ctx context.Context, o *order, stdout io.Writer) error {
	o.Events = api.Discard
	plan, err := imaging.MakePlan(ctx, o.WriteOptions)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, plan)
	return plan.Err()
}

// save writes the receipt as JSON.
func save(f *os.File, r *imaging.Receipt) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil && !errors.Is(err, syscall.EINVAL) { // a pipe cannot be emptied
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return err
}

func parse(args []string, stdout io.Writer) (*order, error) {
	o := &order{mode: progress.Auto}
	var asJSON, verbose bool
	var size string
	f := flag.NewFlagSet("imagenode", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written where and what would be lost, and stop")
	f.StringVar(&o.SHA256, "sha256", "", "`HEX` digest that the file must have, as it is stored")
	f.BoolVar(&o.SHA256Beside, "sha256-beside", false, "take that from SOURCE.sha256, or SHA256SUMS beside SOURCE")
	f.Func("root", "`HEX` digest that an Orbit image must have as its root", func(s string) (err error) { o.Root, err = image.ParseDigest(s); return err })
	f.Func("key", "public key `FILE` of minisign, or the key itself: the image must be signed with it (again for others)", o.addKey)
	f.BoolVar(&o.Full, "full", false, "write everything, whatever the disk holds")
	f.StringVar((*string)(&o.Verify), "verify", string(imaging.VerifyStream), "`HOW`: stream, check all that is written on its way; disk, also read it back")
	f.StringVar((*string)(&o.Unused), "unused", string(imaging.Keep), "`WHAT` becomes of unused space: keep, discard, or zero (which is checked)")
	o.adaptFlags(f)
	f.BoolVar(&asJSON, "json", false, "print progress as JSON lines")
	f.StringVar(&o.receipt, "receipt", "", "write what was done into `FILE`, as JSON")
	f.Func("multicast", "take the image from the session at `PEER`, ADDRESS:PORT or ADDRESS:PORT%INTERFACE, and by HTTP from SOURCE what does not arrive", func(s string) (err error) { o.Room, err = imaging.ParseRoom(s); return err })
	f.IntVar(&o.SectorSize, "sector-size", 0, "`BYTES` of a sector of the disks the image was made for, if it does not say")
	f.StringVar(&size, "size", "", "DISK is a regular file, to be a disk of `SIZE` (1024s: 8G)")
	f.DurationVar(&o.Wait, "wait", 0, "how `LONG` to wait for the disk to appear (30s)")
	f.DurationVar(&o.Patience, "patience", time.Minute, "how `LONG` to try again when the server is silent or gone")
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
		return nil, fmt.Errorf("want SOURCE and DISK, got %d arguments", f.NArg())
	}
	o.Source, o.Disk = f.Arg(0), f.Arg(1)
	if err := o.addTrusted(); err != nil {
		return nil, err
	}
	if asJSON {
		o.mode = progress.JSON
	}
	if verbose {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o, o.check(size)
}

// check looks at the values of flags.
func (o *order) check(size string) error {
	o.SHA256 = strings.ToLower(o.SHA256)
	if o.SHA256 != "" && (len(o.SHA256) != 64 || strings.Trim(o.SHA256, "0123456789abcdef") != "") {
		return fmt.Errorf("--sha256 %q is not 64 hexadecimal digits", o.SHA256)
	}
	if imaging.IsFrisbee(o.Source) {
		if o.Room != nil {
			return errors.New("a frisbee:// image comes by multicast as it is: --multicast is for the URL of an image")
		}
		if err := imaging.CheckFrisbee(o.Source); err != nil {
			return err
		}
	}
	if scheme, _, _ := strings.Cut(strings.ToLower(o.Source), "://"); o.Room != nil && scheme != "http" && scheme != "https" {
		return errors.New("--multicast needs the http or https URL of the image as SOURCE, for what does not arrive")
	}
	switch o.SectorSize {
	case 0, 512, 1024, 2048, 4096:
	default:
		return fmt.Errorf("--sector-size %d: want 512 or 4096", o.SectorSize)
	}
	if size != "" {
		n, err := units.ParseBytes(size)
		if err != nil || n <= 0 {
			return fmt.Errorf("--size: %q is not a size such as 8G", size)
		}
		o.FileSize = n
	}
	return nil
}
