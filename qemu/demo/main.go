// Demo shows a machine with an empty disk come up as Debian: orbitd on a
// private network, a virtual node that boots from it by PXE, fetches and writes
// the image, and kexecs into the system it just got.
//
//	go run ./qemu/demo -artifacts out -firmware uefi
//
// It leaves the console log, the head's log and a timeline (text, JSON, SVG and,
// where a converter is installed, PNG) in out/demo.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/qemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		os.Exit(1)
	}
}

// patience is how long the whole demo may take on a slow machine.
const patience = 10 * time.Minute

// options are what the command line says.
type options struct {
	artifacts, image, out string
	firmware              qemu.Firmware
	bus                   qemu.Bus
	memory                int
}

func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	o, err := parse(stderr, args)
	if err != nil {
		return err
	}
	if err := clean(o.out); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the demo was given %v", patience))
	defer cancel()
	rack, err := qemu.New(qemu.Options{Dir: o.out, Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer rack.Close()
	story, err := play(ctx, rack, o, stdout)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted; what the console showed is in %s", o.out)
	}
	if err != nil {
		return err
	}
	line := newTimeline(story)
	line.print(stdout)
	if err := line.save(ctx, o.out, title(o)); err != nil {
		return fmt.Errorf("save the timeline: %w", err)
	}
	fmt.Fprintf(stdout, "\nConsole log and timeline are in %s.\n", o.out)
	return nil
}

// clean removes what the last demo left, and nothing else.
func clean(dir string) error {
	for _, pattern := range []string{"node*.console.log", "orbitd*.log", "timeline.*"} {
		old, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func parse(stderr io.Writer, args []string) (o options, err error) {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.artifacts, "artifacts", "out", "`directory` of make artifacts")
	set.StringVar(&o.image, "image", "", "disk image to install (default debian-12.img.zst of the artifacts)")
	set.StringVar(&o.out, "o", "", "`directory` for logs and timeline (default demo of the artifacts)")
	set.StringVar((*string)(&o.firmware), "firmware", "bios", "bios or uefi")
	set.StringVar((*string)(&o.bus), "bus", "virtio", "the node's disk: virtio, sata or nvme")
	set.IntVar(&o.memory, "memory", 1024, "the node's memory in `MiB`")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.firmware != qemu.BIOS && o.firmware != qemu.UEFI {
		return o, fmt.Errorf("firmware %q: want bios or uefi", o.firmware)
	}
	if o.image == "" {
		o.image = filepath.Join(o.artifacts, "debian-12.img.zst")
	}
	if o.out == "" {
		o.out = filepath.Join(o.artifacts, "demo")
	}
	for _, need := range []struct{ path, make string }{
		{filepath.Join(o.artifacts, "vmlinuz"), "make artifacts"},
		{filepath.Join(o.artifacts, "initramfs"), "make artifacts"},
		{o.image, "make debian"},
	} {
		if _, err := os.Stat(need.path); err != nil {
			return o, fmt.Errorf("%w (%s builds it)", err, need.make)
		}
	}
	return o, nil
}

// story is what the demo saw.
type story struct {
	power   time.Time   // on
	kernels []time.Time // when each kernel started
	events  []api.Event // what the node reported to the head
	login   time.Time   // prompt
	resets  int         // trips through firmware after the first
}

// play is the demo: head, job, node, wait.
func play(ctx context.Context, rack *qemu.Rack, o options, stdout io.Writer) (*story, error) {
	if !rack.Private() {
		return nil, errors.New("PXE needs a network of our own: run as root, or allow user namespaces and /dev/net/tun to this user")
	}
	orbitd := filepath.Join(rack.Scratch(), "orbitd")
	if err := qemu.BuildHead(ctx, orbitd); err != nil {
		return nil, err
	}
	head, err := rack.StartHead(ctx, orbitd, o.artifacts)
	if err != nil {
		return nil, err
	}
	name, err := head.AddImage(o.image)
	if err != nil {
		return nil, err
	}
	const mac = "52:54:00:0b:17:01"
	if _, err := head.Assign(ctx, mac, api.Job{Kind: api.Image, Image: name, Disk: "first"}); err != nil {
		return nil, err
	}
	accel := "TCG (no KVM here)"
	if qemu.Accelerated() {
		accel = "KVM"
	}
	fmt.Fprintf(stdout, "Head at %s; node %s: %s, empty %s disk of 4 GiB, %d MiB, %s. Power on.\n", head.URL, mac, o.firmware, o.bus, o.memory, accel)
	machine, err := rack.Start(qemu.Node{Name: "node", MAC: mac, Firmware: o.firmware, Memory: o.memory,
		Disks: []qemu.Disk{{Bus: o.bus, Path: filepath.Join(rack.Scratch(), "disk"), Size: 4 << 30}}})
	if err != nil {
		return nil, err
	}
	s := &story{power: machine.Started}
	if err := s.watch(ctx, machine, head, stdout); err != nil {
		return nil, err
	}
	s.kernels, _ = machine.Console.Boots()
	s.resets = machine.Resets()
	return s, machine.Off(ctx)
}

// watch shows what the node reports until it has finished its job and Debian
// asks for a login.
func (s *story) watch(ctx context.Context, machine *qemu.Machine, head *qemu.Head, stdout io.Writer) error {
	type prompt struct {
		match qemu.Match
		err   error
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	login := make(chan prompt, 1)
	go func() {
		m, err := machine.Console.Expect(waiting, `^Debian GNU/Linux 12 .* ttyS0[\s\S]*?login:`)
		login <- prompt{m, err}
	}()
	printer := progress.New(stdout, progress.Auto)
	defer printer.Close()
	show := newFollower(printer.Sink())
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case p := <-login:
			if p.err != nil {
				return p.err
			}
			s.login = p.match.At
			n, err := head.Node(ctx, machine.Node.MAC)
			s.events = n.Events
			show.events(n.Events)
			return err
		case <-tick.C:
			n, err := head.Node(waiting, machine.Node.MAC)
			if err != nil {
				continue // the console tells more, and ends the wait
			}
			show.events(n.Events)
			if n.State == api.Broken {
				cancel(fmt.Errorf("the node's job failed: %s (head's log: %s)", n.Console, head.Log()))
			}
		}
	}
}
