package board

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// CPUs lists the sockets, in the firmware's order, with what is in them.
func CPUs(ctx context.Context, h sysfs.Host) ([]hardware.CPU, error) {
	t, err := smbios.Read(h)
	seen, fault := sockets(ctx, h)
	if fault == nil && len(seen) == 0 {
		fault = errors.New("there are no processors in " + cpuDir + " or /proc/cpuinfo")
	}
	var all []hardware.CPU
	hides := slices.ContainsFunc(t.Processors, func(p smbios.Processor) bool { return p.Empty }) && hypervisor(h, t) != ""
	for _, p := range t.Processors {
		switch {
		case p.Type != smbios.Central && p.Type != 0:
		case !p.Empty:
			c := hardware.CPU{}
			if len(seen) > 0 { // the board's sockets and Linux's packages are in the same order
				c, seen = known(seen[0]), seen[1:]
			}
			all = append(all, named(c, t, p))
		case !hides: // hypervisors like to have a hundred empty sockets
			all = append(all, hardware.CPU{ID: p.Socket, Socket: p.Socket, Empty: true})
		}
	}
	for _, s := range seen { // of which the firmware does not tell
		c := known(s)
		c.ID = "package " + strconv.Itoa(s.number)
		all = append(all, c)
	}
	ids := make([]string, len(all))
	for i, c := range all {
		if ids[i] = c.ID; c.ID == "" {
			ids[i] = "socket " + strconv.Itoa(i)
		}
	}
	for i, id := range unique(ids) {
		all[i].ID = id
	}
	return all, errors.Join(err, fault)
}

// known is what Linux knows of a socket.
func known(s *socket) hardware.CPU {
	p := s.example
	c := hardware.CPU{
		Vendor: p["vendor_id"], Model: smbios.Clean(p["model name"]), Family: p.number("cpu family"), ModelID: p.number("model"),
		Stepping: p.number("stepping"), Cores: s.cores, Threads: len(s.cpus), MaxMHz: s.maxMHz, Microcode: p["microcode"],
		Flags: p.flags(), Caches: s.caches,
	}
	for _, flag := range c.Flags {
		if flag == "vmx" || flag == "svm" {
			c.Virtual = flag
		}
	}
	return c
}

// named adds what the firmware knows of a socket that is filled.
func named(c hardware.CPU, t *smbios.Table, p smbios.Processor) hardware.CPU {
	c.ID, c.Socket, c.Serial, c.Part, c.Asset = p.Socket, p.Socket, p.Serial, p.Part, p.Asset
	if c.Maker = p.Vendor; p.Model != c.Model {
		c.Version = p.Model
	}
	if c.Vendor == "" {
		c.Vendor = p.Vendor
	}
	if c.Model == "" {
		c.Model = p.Model
	}
	if c.MaxMHz == 0 {
		c.MaxMHz = p.MaxMHz
	}
	if c.Threads == 0 {
		c.Cores, c.Threads = p.Cores, p.Threads
	}
	if c.Caches == nil && c.Cores == 1 {
		c.Caches = firmwareCaches(t, p)
	}
	return c
}

// unique gives names that occur more than once a number from the second on.
func unique(names []string) []string {
	taken := map[string]bool{}
	for i, name := range names {
		for n := 2; taken[names[i]]; n++ {
			names[i] = name + " #" + strconv.Itoa(n)
		}
		taken[names[i]] = true
	}
	return names
}
