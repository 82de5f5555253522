package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/rejoin"
)

func rejoinVerb(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	f := flag.NewFlagSet("orbit rejoin", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: orbit rejoin [flags] ARTIFACTS\n\n"+
			"Leaves this running system for Orbit, without firmware. ARTIFACTS is the URL or the directory\n"+
			"of vmlinuz, initramfs and SHA256SUMS, such as http://10.0.0.1:8080/artifacts. If kexec is refused\n"+
			"here it says so and changes nothing.")
		f.PrintDefaults()
	}
	o := rejoin.Options{Out: stdout, Log: slog.New(slog.NewTextHandler(stderr, nil))}
	f.StringVar(&o.Head, "head", "", "`URL` of the head to report to and take jobs from")
	f.Func("job", "what to do there: image, save, boot, inventory or shell (default: what the head says)", func(s string) error {
		o.Job.Kind = api.Kind(s)
		return nil
	})
	f.StringVar(&o.Job.Image, "image", "", "`URL` of the image to write, or where to save it")
	f.StringVar(&o.Job.SHA256, "sha256", "", "SHA-256 of the image file, `hex`")
	f.StringVar(&o.Job.Disk, "disk", "", "the disk: a device or a `selector`")
	f.Func("then", "what follows the job: kexec, reboot, poweroff or shell", func(s string) error {
		o.Job.Then = api.Then(s)
		return nil
	})
	f.StringVar(&o.Job.Append, "job-append", "", "`words` for the kernel command line of the system that is started after the job")
	f.IntVar(&o.VLAN, "vlan", 0, "802.1Q `tag` of the network there (default: that of the interface that leads to ARTIFACTS)")
	f.StringVar(&o.IP, "ip", "", "fixed address there, `addr::gateway:mask::interface:none` (default: DHCP)")
	f.Func("console", "console= `value` there; may be repeated (default: this system's)", func(s string) error {
		o.Consoles = append(o.Consoles, s)
		return nil
	})
	f.StringVar(&o.Append, "append", "", "`words` for Orbit's own kernel command line")
	f.BoolVar(&o.DryRun, "dry-run", false, "fetch, check and print the plan, and stop there")
	f.BoolVar(&o.Replace, "replace", false, "give up a kernel that something else has loaded for kexec")
	f.BoolVar(&o.Direct, "direct", false, "leave without systemd: stop processes, unmount, go")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return fmt.Errorf("rejoin: want one ARTIFACTS, got %d", f.NArg())
	}
	o.URL = f.Arg(0)
	return rejoin.Run(ctx, o)
}
