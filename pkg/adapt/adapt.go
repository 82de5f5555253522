package adapt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

// Options say what is to be done to the system on a disk. What is left zero is
// not done.
type Options struct {
	Disk string // block device; its image is written, and its partitions are known to the kernel
	Root string // number of the partition that the system is on; "" finds it

	Grow           string        // partition to grow to the disk's end: "last", a number, a name or a label
	Archive        io.ReadSeeker // tar, compressed or not, to be unpacked below the root
	Hostname       string        // RFC 1123, with or without a domain
	MachineID      bool          // give it a new machine-id
	SSHHostKeys    bool          // remove the ssh host keys
	AuthorizedKeys []Key         // let these in by ssh
	ReplaceKeys    bool          // and for their users no others
	NoCloud        *Seed         // for cloud-init

	Note func(string) // hears what was done, and oddities; nil: nobody
	Log  *slog.Logger // nil: none
}

// Error says which step failed, and what that means for the disk.
type Error struct {
	Disk    string
	Step    string   // what failed: "grow last"
	Done    []string // steps that are done, durably
	Skipped []string // steps that were not begun
	Err     error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "adapt the system on %s: %s: %v", e.Disk, e.Step, e.Err)
	if len(e.Done) > 0 {
		fmt.Fprintf(&b, "; done before: %s", strings.Join(e.Done, ", "))
	}
	if len(e.Skipped) > 0 {
		fmt.Fprintf(&b, "; not done: %s", strings.Join(e.Skipped, ", "))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// step is one thing to do. Those with edit change the system's files.
type step struct {
	name   string
	wanted bool
	edit   func(ctx context.Context, t *tree) error
}

// Empty tells whether there is nothing to do.
func (o Options) Empty() bool { return o.Grow == "" && len(o.wanted()) == 0 }

// wanted are the steps that change files, in their order: what an archive
// brings comes first, so that the others work on it.
func (o Options) wanted() []step {
	var todo []step
	for _, s := range []step{
		{"unpack files", o.Archive != nil, o.unpack},
		{"set hostname " + o.Hostname, o.Hostname != "", func(_ context.Context, t *tree) error { return setHostname(t, o.Hostname) }},
		{"set machine-id", o.MachineID, func(_ context.Context, t *tree) error { return setMachineID(t, newMachineID()) }},
		{"remove ssh host keys", o.SSHHostKeys, func(_ context.Context, t *tree) error { return removeHostKeys(t, o.Note) }},
		{"authorize ssh keys", len(o.AuthorizedKeys) > 0, o.authorize},
		{"write NoCloud seed", o.NoCloud != nil, func(_ context.Context, t *tree) error { return writeSeed(t, o.NoCloud, o.Hostname, o.Note) }},
	} {
		if s.wanted {
			todo = append(todo, s)
		}
	}
	return todo
}

// Check finds what can be refused before the disk is touched. table is the
// partition table of the image that will be on it, nil if it is not known. The
// archive is read to its end, and wound back.
func (o Options) Check(ctx context.Context, table *partition.Table) error {
	var errs []error
	if o.Hostname != "" {
		errs = append(errs, checkHostname(o.Hostname))
	}
	if n, err := strconv.Atoi(o.Root); o.Root != "" && (err != nil || n < 1) {
		errs = append(errs, fmt.Errorf("root partition %q is no number", o.Root))
	}
	for _, k := range o.AuthorizedKeys {
		errs = append(errs, k.check())
	}
	if o.NoCloud != nil {
		errs = append(errs, o.NoCloud.check())
	}
	errs = append(errs, o.checkGrow(table))
	if o.Archive != nil {
		_, err := inspect(ctx, o.Archive)
		_, serr := o.Archive.Seek(0, io.SeekStart)
		errs = append(errs, err, serr)
	}
	return errors.Join(errs...)
}

// checkGrow wants a partition that is named by number to be in the table.
func (o Options) checkGrow(table *partition.Table) error {
	n, err := strconv.Atoi(o.Grow)
	if err != nil || table == nil || table.Incomplete {
		return nil
	}
	if p, ok := table.Partition(n); ok && !p.Extended {
		return nil
	}
	return fmt.Errorf("grow partition %d: the image has none of that number: %s", n, table.Summary())
}

// Apply does all that is asked for, in this order: grow, unpack, hostname,
// machine-id, host keys, authorized keys, seed. Each step is durable before the
// next one begins, and doing it again is no error. The error is an *Error.
func Apply(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	hear := o.Note
	o.Note = func(s string) {
		o.Log.Info("adapt", "disk", o.Disk, "note", s)
		if hear != nil {
			hear(s)
		}
	}
	names := []string{}
	if o.Grow != "" {
		names = append(names, "grow "+o.Grow)
	}
	todo := o.wanted()
	for _, s := range todo {
		names = append(names, s.name)
	}
	done, err := o.apply(ctx, todo)
	if err == nil {
		return nil
	}
	e := &Error{Disk: o.Disk, Step: "finish", Done: names[:done], Err: err}
	if done < len(names) {
		e.Step, e.Skipped = names[done], names[done+1:]
	}
	return e
}

// apply gives the number of steps that it has done.
func (o Options) apply(ctx context.Context, todo []step) (done int, err error) {
	disk, err := filepath.EvalSymlinks(o.Disk)
	if err != nil {
		return 0, err
	}
	if o.Grow != "" {
		if err := grow(ctx, disk, o.Grow, o.Note); err != nil {
			return 0, err
		}
		done++
	}
	if len(todo) == 0 {
		return done, nil
	}
	_, parts, err := readDisk(disk)
	if err != nil {
		return done, err
	}
	number := 0
	if o.Root != "" {
		if number, err = strconv.Atoi(o.Root); err != nil {
			return done, err
		}
	}
	root, options, err := findRoot(disk, parts, number)
	if err != nil {
		return done, err
	}
	o.Log.Info("system found", "partition", root.path, "type", root.Kind, "label", root.Label, "options", options)
	s, err := open(root, options, parts)
	if err != nil {
		return done, err
	}
	n, err := run(ctx, &s.tree, todo)
	return done + n, errors.Join(err, s.Close())
}

// run does steps on a system's files and tells how many are done.
func run(ctx context.Context, t *tree, todo []step) (int, error) {
	for i, s := range todo {
		if ctx.Err() != nil {
			return i, context.Cause(ctx)
		}
		if err := s.edit(ctx, t); err != nil {
			t.abort()
			return i, err
		}
		if err := t.commit(); err != nil {
			return i, err
		}
	}
	return len(todo), nil
}

func (o Options) unpack(ctx context.Context, t *tree) error {
	// Another look at the whole before the first file: what it refuses is
	// refused with nothing unpacked.
	if _, err := o.Archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := inspect(ctx, o.Archive)
	if err != nil {
		return err
	}
	if _, err := o.Archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := unpack(ctx, t, o.Archive); err != nil {
		return err
	}
	if sum.xattrs {
		o.Note("extended attributes in the archive are left out")
	}
	return nil
}

// authorize handles each user once.
func (o Options) authorize(_ context.Context, t *tree) error {
	lines := map[string][]string{}
	var users []string
	for _, k := range o.AuthorizedKeys {
		u := k.user()
		if lines[u] == nil {
			users = append(users, u)
		}
		lines[u] = append(lines[u], k.Line)
	}
	for _, u := range users {
		if err := authorize(t, u, lines[u], o.ReplaceKeys); err != nil {
			return err
		}
	}
	return nil
}
