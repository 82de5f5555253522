package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/bootos"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/kexec"
	"github.com/orbit-pxe/orbit/pkg/netup"
	"github.com/orbit-pxe/orbit/pkg/progress"
)

func bootVerb(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	f := flag.NewFlagSet("orbit boot", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: orbit boot [flags] [DISK]\nDISK is a device or a selector (serial=..., bus=nvme, first); the default is first.")
		f.PrintDefaults()
	}
	dry := f.Bool("dry-run", false, "find and prepare, but load nothing and stay")
	words := f.String("append", "", "words to add to the system's kernel command line")
	keep := f.Bool("keep-console", false, "leave the system's own console= as it is, instead of this node's")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 1 {
		return fmt.Errorf("boot: one disk at most, not %q", f.Args())
	}
	selector := "first"
	if f.NArg() == 1 {
		selector = f.Arg(0)
	}
	if !*dry && !onNode() {
		return errors.New("boot: this is an installed system, which would be left without shutting it down (orbit boot is for the shell of a node that runs from memory)")
	}
	params, log, err := commandLine(stderr)
	if err != nil {
		return err
	}
	find, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	target, err := blockdev.Resolve(find, selector, log)
	if err != nil {
		return err
	}
	p := progress.New(stdout, progress.Plain)
	defer p.Close()
	err = bootos.Boot(ctx, bootos.Options{
		Disk: target.Path, Consoles: params.Consoles, KeepConsole: *keep, Append: *words, DryRun: *dry, Events: p.Sink(),
	}, log)
	if err != nil || *dry {
		return err
	}
	return kexec.Execute(ctx, log)
}

func netVerb(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("net: unexpected argument %q (it reads /proc/cmdline)", args[0])
	}
	params, log, err := commandLine(stderr)
	if err != nil {
		return err
	}
	n, err := netup.Up(ctx, netup.Config{
		BootMAC: params.BootMAC, VLAN: params.VLAN, IP: params.IP, Patience: params.Patience, Log: log,
		Note: func(s string) { fmt.Fprintln(stderr, s) },
	})
	if err != nil {
		return err
	}
	defer n.Down()
	_, err = fmt.Fprintln(stdout, n)
	return err
}

// commandLine reads what the kernel was told; mistakes in it are only shown.
func commandLine(stderr io.Writer) (bootparam.Params, *slog.Logger, error) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return bootparam.Params{}, log, err
	}
	params, wrong := bootparam.Parse(string(line))
	if wrong != nil {
		log.Warn(wrong.Error())
	}
	return params, log, nil
}

// onNode tells a system that runs from memory by its root filesystem.
func onNode() bool {
	var s unix.Statfs_t
	if unix.Statfs("/", &s) != nil {
		return false
	}
	return s.Type == unix.RAMFS_MAGIC || s.Type == unix.TMPFS_MAGIC
}
