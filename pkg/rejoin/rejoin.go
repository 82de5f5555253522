// Package rejoin takes a running Linux machine, of any distribution, into
// Orbit without a pass through firmware: it fetches Orbit's kernel and
// initramfs, checks them, loads them by kexec with the job to do on their
// command line, and leaves the running system in good order.
//
// Nothing changes before everything has been fetched, checked and loaded. A
// kernel that refuses kexec (Secure Boot lockdown, kexec_load_disabled, no
// memory) ends in a *kexec.RefusedError with the system as it was.
package rejoin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/kexec"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"golang.org/x/sys/unix"
)

// Options say where Orbit comes from and what it is to do.
type Options struct {
	// URL of the directory with vmlinuz, initramfs and SHA256SUMS, such as
	// http://10.0.0.1:8080/artifacts; a local directory works too.
	URL string
	// Head the node reports to (orbit.head), "" for none. Without a Head and
	// without a Job the node comes up in Orbit with a shell.
	Head string
	// Job to run, on the kernel command line; zero means that the head says.
	Job api.Job
	// VLAN is the 802.1Q tag of the network in Orbit; 0 means that of the
	// interface that leads to URL.
	VLAN int
	// IP is a fixed address for Orbit as dracut's ip= writes it, "" means DHCP.
	IP string
	// Consoles are console= values for Orbit; nil means those of the running
	// system.
	Consoles []string
	// Append is added to Orbit's kernel command line as it is.
	Append string
	// DryRun does everything up to the load, prints the plan, and stops. It
	// needs no root.
	DryRun bool
	// Replace lets a kernel that is loaded already be replaced. It then is
	// gone, even if Orbit is refused afterwards.
	Replace bool
	// Direct leaves without systemd: processes are stopped, filesystems
	// unmounted and the kernel started by this program itself.
	Direct bool
	// Out gets the plan in words; nil means io.Discard.
	Out io.Writer
	// Log must be given.
	Log *slog.Logger
	// Transfer steers the download.
	Transfer transfer.Options
}

// maxSums bounds SHA256SUMS, in bytes.
const maxSums = 1 << 20

// Run takes the machine into Orbit. It returns nil after a dry run, and when
// ctx ends while the system is going down; otherwise it returns only with an
// error.
func Run(ctx context.Context, o Options) error {
	if o.Out == nil {
		o.Out = io.Discard
	}
	refused := check(o)
	if refused != nil && !o.DryRun {
		return refused
	}
	p, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer p.close()
	p.print(o.Out)
	if err := kexec.Preflight(p.size()); err != nil && refused == nil {
		refused = err
	}
	if o.DryRun || refused != nil {
		return refused
	}
	if err := kexec.Load(p.kernel, p.initramfs, p.cmdline); err != nil {
		return err
	}
	o.Log.Info("Orbit is loaded, leaving the running system")
	if err := leave(ctx, o); err != nil {
		return errors.Join(fmt.Errorf("leave the running system: %w", err), kexec.Unload())
	}
	return nil
}

// check tells early why it cannot work.
func check(o Options) error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("rejoin: Orbit runs on x86-64 machines, this one is %s", runtime.GOARCH)
	}
	if unix.Geteuid() != 0 {
		return fmt.Errorf("rejoin: root is needed to load another kernel (try sudo)")
	}
	if o.Replace && kexec.Loaded() && !o.DryRun {
		if err := kexec.Unload(); err != nil {
			return err
		}
	}
	return kexec.Preflight(0)
}

// plan is what will be loaded.
type plan struct {
	kernel, initramfs *os.File
	sizes             [2]int64 // bytes of the two
	cmdline           string
	interfaceName     string
	leave             string // how, in words
}

// prepare fetches, checks and composes.
func prepare(ctx context.Context, o Options) (_ *plan, err error) {
	p := &plan{leave: "by itself (stop processes, unmount, kexec)"}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if systemd(o) {
		p.leave = "through systemd's kexec.target"
	}
	if p.cmdline, p.interfaceName, err = cmdline(o, "/"); err != nil {
		return nil, err
	}
	base := strings.TrimRight(o.URL, "/")
	sums, err := transfer.Get(ctx, base+"/SHA256SUMS", maxSums, o.Transfer)
	if err != nil {
		return nil, fmt.Errorf("fetch checksums: %w", err)
	}
	if p.kernel, p.sizes[0], err = fetch(ctx, o, base, "vmlinuz", sums); err != nil {
		return nil, err
	}
	p.initramfs, p.sizes[1], err = fetch(ctx, o, base, "initramfs", sums)
	return p, err
}

// fetch downloads one artifact into memory and compares it with its line of
// SHA256SUMS.
func fetch(ctx context.Context, o Options, base, name string, sums []byte) (*os.File, int64, error) {
	sum, err := sumOf(sums, name)
	if err != nil {
		return nil, 0, fmt.Errorf("%s/SHA256SUMS: %w", base, err)
	}
	w, err := kexec.Scratch(name)
	if err != nil {
		return nil, 0, err
	}
	if err := transfer.Download(ctx, base+"/"+name, w, sum, o.Transfer); err != nil {
		w.Close()
		return nil, 0, err
	}
	st, err := w.Stat()
	if err != nil {
		w.Close()
		return nil, 0, err
	}
	r, err := kexec.ReadOnly(w)
	if err != nil {
		w.Close()
		return nil, 0, err
	}
	o.Log.Info("fetched", "file", name, "bytes", st.Size(), "sha256", sum)
	return r, st.Size(), nil
}

// sumOf finds the line "hex  name" of sha256sum(1).
func sumOf(sums []byte, name string) (string, error) {
	for line := range strings.Lines(string(sums)) {
		f := strings.Fields(line)
		if len(f) == 2 && strings.TrimPrefix(strings.TrimPrefix(f[1], "*"), "./") == name && len(f[0]) == 64 {
			return f[0], nil
		}
	}
	return "", fmt.Errorf("no line for %s in it", name)
}

// cmdline composes Orbit's kernel command line from what the running system,
// below root, tells and the options want. It also returns the interface that
// leads to the artifacts, "" if that could not be told.
func cmdline(o Options, root string) (line, name string, err error) {
	params := bootparam.Params{Head: o.Head, Job: o.Job, VLAN: o.VLAN, IP: o.IP, Consoles: o.Consoles}
	if params.Consoles == nil {
		params.Consoles = consoles(root)
	}
	link, err := uplink(o.URL, root)
	if err != nil {
		o.Log.Warn("the interface Orbit should prefer cannot be told, it will try all", "err", err)
	} else {
		name, params.BootMAC = link.name, link.mac
		if params.VLAN == 0 {
			params.VLAN = link.vlan
		}
	}
	words := params.Args()
	if o.Append != "" {
		words = append(words, o.Append)
	}
	line = strings.Join(words, " ")
	if len(line) > kexec.MaxCmdline {
		return "", "", fmt.Errorf("kernel command line for Orbit is %d bytes long, at most %d fit", len(line), kexec.MaxCmdline)
	}
	return line, name, nil
}

func (p *plan) size() int64 { return p.sizes[0] + p.sizes[1] }

func (p *plan) print(w io.Writer) {
	link := p.interfaceName
	if link == "" {
		link = "any"
	}
	fmt.Fprintf(w, "kernel       %d bytes, checksum correct\ninitramfs    %d bytes, checksum correct\ninterface    %s\ncommand line %s\nleaving      %s\n",
		p.sizes[0], p.sizes[1], link, p.cmdline, p.leave)
}

func (p *plan) close() {
	for _, f := range []*os.File{p.kernel, p.initramfs} {
		if f != nil {
			f.Close()
		}
	}
}
