package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// Options say what to gather and how long to wait.
type Options struct {
	Root  string        // of the file system to look at; "" = this machine
	Only  []string      // sections; nil = all
	Each  time.Duration // bound for each collector but the disks, which get twice that; 0 = 1 s
	Total time.Duration // bound for all together; 0 = 3 s

	LLDP     time.Duration // how long to listen for switches, by which both bounds grow; 0 = less than Each, below 0 = not at all
	Announce bool          // say by LLDP who is here
}

// Gather describes a machine. It always returns: a collector that fails, or
// is too slow, is among the document's errors.
func Gather(ctx context.Context, o Options) hardware.Document {
	began := time.Now()
	if o.Each == 0 {
		o.Each = time.Second
	}
	if o.Total == 0 {
		o.Total = 3 * time.Second
	}
	if o.LLDP > 0 {
		o.Total = max(o.Total, o.LLDP+o.Each+time.Second)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Total, fmt.Errorf("gave up after %v, the bound for all collectors", o.Total))
	defer cancel()
	host := sysfs.Host{Root: o.Root}
	d := hardware.Document{Schema: hardware.Schema, Only: o.Only, Readings: &hardware.Taken{
		Time: began.UTC().Round(time.Millisecond), Kernel: host.Text("/proc/sys/kernel/osrelease"), Version: version.String(),
		Boot: host.Text("/proc/sys/kernel/random/boot_id"),
	}}
	wanted := wanted(o.Only)
	findings := make(chan finding, len(wanted))
	for _, section := range wanted {
		go func() { findings <- find(ctx, host, section, o) }()
	}
	for range wanted {
		take(&d, <-findings)
	}
	settle(host, &d)
	d.Readings.Took = seconds(time.Since(began))
	return d
}

func take(d *hardware.Document, f finding) {
	if f.part != nil {
		f.part(d)
	}
	if f.err != nil {
		d.Errors = append(d.Errors, hardware.Problem{ID: f.id, Error: f.err.Error()})
	}
	d.Readings.Collectors = append(d.Readings.Collectors, hardware.CollectTime{ID: f.id, Took: seconds(f.took)})
}

// wanted are the sections to look for: those that were asked for, and the one
// that names the machine.
func wanted(only []string) []string {
	switch {
	case only == nil:
		return Sections()
	case slices.Contains(only, "system"):
		return only
	}
	return append([]string{"system"}, only...)
}

// CheckSections tells of names that are none.
func CheckSections(names []string) error {
	for _, name := range names {
		if !slices.Contains(Sections(), name) {
			return fmt.Errorf("no section %q (there are %s)", name, strings.Join(Sections(), ", "))
		}
	}
	return nil
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
