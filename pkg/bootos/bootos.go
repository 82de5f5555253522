// Package bootos finds the operating system that a disk would boot and gets
// its kernel ready for kexec, so that a node reaches it without another pass
// through firmware.
//
// The disk is looked at as it is: its filesystems are mounted read-only with
// no journal replayed (ext4 noload, xfs norecovery, btrfs rescue=nologreplay),
// detached from every directory, and with the block device itself set
// read-only meanwhile. Not a byte of the disk changes.
package bootos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
	"github.com/orbit-pxe/orbit/pkg/kexec"
)

// Options say what to boot and how its command line is changed.
type Options struct {
	Disk        string   // block device, /dev/sda or a link to it
	Consoles    []string // console= values of this node (bootparam.Params.Consoles), last one is /dev/console
	KeepConsole bool     // true: leave the installed system's console= as it is, ignore Consoles
	Append      string   // words added to the installed system's command line
	DryRun      bool     // true: everything but the load
	Events      api.Sink // nil means api.Discard
}

// Find returns the systems that disk would boot, the likeliest first. Where
// there is none the error is a *NoSystemError.
func Find(ctx context.Context, disk string, log *slog.Logger) ([]System, error) {
	vs, err := mountDisk(disk, log)
	if err != nil {
		return nil, err
	}
	systems, err := vs.systems(ctx, log)
	return systems, errors.Join(err, vs.Close())
}

// Boot loads the default system of a disk, ready for kexec.Execute: it finds
// the system, mounts read-only, takes kernel and initrds, edits the command
// line, loads, and unmounts. It does not execute. After an error nothing is
// loaded, and rebooting to the disk is the way on.
func Boot(ctx context.Context, o Options, log *slog.Logger) error {
	if o.Events == nil {
		o.Events = api.Discard
	}
	start := time.Now()
	emit := func(state api.State, message string) {
		o.Events(api.Event{Time: time.Now(), Step: api.KexecTo, State: state, Seconds: time.Since(start).Seconds(), Message: message})
	}
	emit(api.Started, "")
	what, err := boot(ctx, o, log)
	if err != nil {
		emit(api.Failed, err.Error())
		return err
	}
	emit(api.Done, what)
	return nil
}

// boot returns what was loaded, in words.
func boot(ctx context.Context, o Options, log *slog.Logger) (what string, err error) {
	if !o.DryRun {
		// A kernel left over from an earlier try is ours; make way for it.
		if err := kexec.Unload(); err != nil {
			return "", err
		}
		if err := kexec.Preflight(0); err != nil {
			return "", err
		}
	}
	vs, err := mountDisk(o.Disk, log)
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := vs.Close(); cerr != nil {
			log.Warn("let go of disk", "disk", o.Disk, "err", cerr)
		}
	}()
	systems, err := vs.systems(ctx, log)
	if err != nil {
		return "", err
	}
	s := systems[0]
	p, err := vs.prepare(s, edit{Consoles: o.Consoles, KeepConsole: o.KeepConsole, Append: o.Append})
	if err != nil {
		return "", err
	}
	defer p.Close()
	log.Info("installed system", "loader", s.Loader, "config", s.Config, "title", s.Default().Title,
		"kernel", s.Default().Kernel, "initrds", s.Default().Initrds, "cmdline", p.cmdline)
	what = fmt.Sprintf("%s: kernel %s (%d KiB), initrd %d KiB, command line: %s", s.Default().Title, p.release, p.kernelSize>>10, p.initrdSize>>10, p.cmdline)
	if o.DryRun {
		return what, nil
	}
	start := time.Now()
	if err := p.load(); err != nil {
		return "", err
	}
	log.Info("kernel and initrd loaded", "seconds", time.Since(start).Seconds())
	return what, nil
}

// payload is what kexec_file_load takes.
type payload struct {
	kernel, initrd         *os.File // initrd is nil without one
	kernelSize, initrdSize int64
	release                string // of the kernel, as its header tells
	cmdline                string
	files                  []*os.File
}

// prepare opens what the default entry of s names.
func (vs *volumes) prepare(s System, change edit) (_ *payload, err error) {
	e := s.Default()
	p := &payload{}
	defer func() {
		if err != nil {
			p.Close()
			err = fmt.Errorf("start %q of %s: %w; reboot to let the boot loader try", e.Title, s.Config, err)
		}
	}()
	if e.Err != nil {
		return nil, e.Err
	}
	if p.kernel, p.kernelSize, err = p.open(vs, e.Kernel); err != nil {
		return nil, err
	}
	k, err := readKernel(p.kernel)
	if err != nil {
		return nil, fmt.Errorf("read kernel %s: %w", e.Kernel, err)
	}
	p.release = k.Release
	change.Initrd = len(e.Initrds) > 0
	if p.cmdline, err = change.apply(e.Cmdline, k.MaxCmdline); err != nil {
		return nil, err
	}
	var initrds []*os.File
	for _, i := range e.Initrds {
		f, size, err := p.open(vs, i)
		if err != nil {
			return nil, err
		}
		initrds = append(initrds, f)
		p.initrdSize += size
	}
	if p.initrd, err = join(initrds); err != nil {
		return nil, err
	}
	if len(initrds) > 1 {
		p.files = append(p.files, p.initrd)
	}
	return p, nil
}

func (p *payload) open(vs *volumes, name bootcfg.File) (*os.File, int64, error) {
	f, err := vs.fileOn(name)
	if err != nil {
		return nil, 0, err
	}
	p.files = append(p.files, f)
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// load gives the payload to the running kernel.
func (p *payload) load() error {
	if err := kexec.Preflight(p.kernelSize + p.initrdSize); err != nil {
		return err
	}
	return kexec.Load(p.kernel, p.initrd, p.cmdline)
}

func (p *payload) Close() {
	for _, f := range p.files {
		f.Close()
	}
}
