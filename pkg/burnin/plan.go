package burnin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// disk is what is wanted of a disk: a *blockdev.Device does it.
type disk interface {
	io.ReaderAt
	io.WriterAt
	Size() int64
	SectorSize() int
	DropCache() error
	Sync() error
	Zero(ctx context.Context, off, n int64) error
	Reread(ctx context.Context) error
	Close() error
}

// Plan is what a burn-in would do.
type Plan struct {
	o     Options
	disks []*target
	notes []string
}

// target is a disk to try.
type target struct {
	disk
	path  string
	name  string // in words
	id    string
	write bool
	bad   error // why it cannot even be opened
	hung  bool  // it does not answer any more
	busy  bool  // something uses it: what is on it may change while it is read
}

// NewPlan finds out what Run would do with the same options. The error is a
// *RefusedError.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	p, err := newPlan(ctx, &o)
	if err != nil {
		return nil, &RefusedError{err}
	}
	p.close()
	return p, nil
}

// newPlan completes the options and opens all disks: those that are written to
// with a claim that keeps others off.
func newPlan(ctx context.Context, o *Options) (*Plan, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Plan{o: *o}
	if !o.wants(api.DiskTest) {
		return p, nil
	}
	all, err := o.seams.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	if err := p.choose(ctx, all); err != nil {
		return nil, err
	}
	if len(p.disks) == 0 && len(o.Tests) == 1 { // nothing tried is nothing passed
		return nil, errors.New("there are no disks to try")
	}
	for i, t := range p.disks {
		if err := p.open(t); err != nil {
			p.disks = p.disks[:i]
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// choose makes targets of all disks, and of the one to write to, which may be none
// of them.
func (p *Plan) choose(ctx context.Context, all []blockdev.Disk) error {
	for _, d := range all {
		t := &target{path: d.Path, name: d.String(), id: cmp.Or(d.WWN, strings.TrimSpace(d.Model+" "+d.Serial), d.Path)}
		if p.o.Destructive == "all" {
			// As "first" passes over them: they hold what somebody carries about.
			if t.write = !d.Removable && !d.ReadOnly && d.Bus != "usb"; !t.write {
				p.notes = append(p.notes, t.name+" is read only: it can be taken out, or cannot be written to")
			}
		}
		p.disks = append(p.disks, t)
	}
	if p.o.Destructive == "" || p.o.Destructive == "all" {
		return nil
	}
	found, err := blockdev.Resolve(ctx, p.o.Destructive, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, t := range p.disks {
		if t.path == found.Path {
			t.write = true
			return nil
		}
	}
	p.disks = append(p.disks, &target{path: found.Path, name: found.Path, id: found.Path, write: true})
	return nil
}

func (p *Plan) open(t *target) error {
	d, err := blockdev.Open(t.path, blockdev.Options{Write: t.write, Direct: true, Exclusive: t.write})
	if err != nil && t.write {
		return fmt.Errorf("write to %s: %w", t.path, err)
	}
	if err != nil { // which is for the test to tell
		t.bad = err
		return nil
	}
	if t.disk = d; p.o.seams.open != nil {
		t.disk = p.o.seams.open(d)
	}
	uses, err := blockdev.InUse(t.path)
	if t.busy = err != nil || len(uses) > 0; t.busy && t.write {
		d.Close()
		return fmt.Errorf("write to %s: %w", t.path, cmp.Or(err, error(&blockdev.BusyError{Path: t.path, Uses: uses})))
	}
	if t.write && d.Size() < 4*endSize {
		d.Close()
		return fmt.Errorf("write to %s: it has %s only", t.path, units.Bytes(d.Size()))
	}
	return nil
}

func (p *Plan) close() error {
	var errs []error
	for _, t := range p.disks {
		if t.disk != nil && !t.hung { // to close that would hang, too
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}

// words are the plan in a line.
func (p *Plan) words() string {
	var words []string
	for _, test := range p.o.Tests {
		switch test {
		case api.MemoryTest:
			words = append(words, "memory")
		case api.CPUTest:
			words = append(words, fmt.Sprintf("%d processors", runtime.NumCPU()))
		case api.DiskTest:
			words = append(words, fmt.Sprintf("%d disks", len(p.disks)))
		case api.NetworkTest:
			words = append(words, p.o.Head)
		}
	}
	s := "for " + units.Duration(p.o.For) + ": " + strings.Join(words, ", ")
	for _, t := range p.disks {
		if t.write {
			s += "; WRITES to " + t.name + ", all that is on it is lost"
		}
	}
	return s
}

// String is the plan in lines.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.words())
	for _, t := range p.disks {
		verb := "read"
		if t.write {
			verb = "WRITE"
		}
		fmt.Fprintf(&b, "  %-5s  %s\n", verb, t.name)
	}
	for _, n := range p.notes {
		fmt.Fprintln(&b, "  note:", n)
	}
	return b.String()
}
