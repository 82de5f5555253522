package board

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const cpuDir = "/sys/devices/system/cpu/"

// mostCPUs is more than Linux can have (8192).
const mostCPUs = 1 << 14

// socket is what Linux knows of the processors in one.
type socket struct {
	number  int   // physical package
	cpus    []int // numbers of logical processors
	cores   int
	maxMHz  int
	caches  []hardware.Cache
	example processor // what one of them says
}

// sockets finds the processors that are online, by socket in order of number.
// Without /sys they are those of /proc/cpuinfo.
func sockets(ctx context.Context, h sysfs.Host) ([]*socket, error) {
	infos := cpuinfo(h)
	names, err := h.List(cpuDir)
	var all []*socket
	cores := map[string]bool{} // "package core"
	add := func(pack, cpu int, core string) *socket {
		i, ok := slices.BinarySearchFunc(all, pack, func(s *socket, n int) int { return s.number - n })
		if !ok {
			all = slices.Insert(all, i, &socket{number: pack})
		}
		s := all[i]
		s.cpus = append(s.cpus, cpu)
		if core = strconv.Itoa(pack) + " " + core; !cores[core] {
			cores[core] = true
			s.cores++
		}
		return s
	}
	for i, name := range names {
		cpu, ok := numbered(name, "cpu")
		if !ok || i > mostCPUs {
			continue
		}
		if err := ctx.Err(); err != nil {
			return all, context.Cause(ctx)
		}
		topology := cpuDir + name + "/topology/"
		pack, ok := h.Int(topology + "physical_package_id")
		if !ok { // offline, or Linux knows nothing
			continue
		}
		s := add(int(max(pack, 0)), cpu, core(h, topology, name))
		if khz, ok := h.Int(cpuDir + name + "/cpufreq/cpuinfo_max_freq"); ok {
			s.maxMHz = max(s.maxMHz, int(khz/1000))
		}
	}
	if all == nil {
		for i, p := range infos {
			name, ok := p["core id"]
			if !ok {
				name = "cpu" + p["processor"]
			}
			add(p.number("physical id"), i, name)
		}
	}
	for _, s := range all {
		s.example = example(infos, s.cpus)
		s.caches = caches(h, s.cpus)
	}
	return all, err
}

// core names the core of a logical processor: by the processors that share it,
// which is unique in the machine, or by its number.
func core(h sysfs.Host, topology, name string) string {
	for _, file := range []string{"core_cpus_list", "thread_siblings_list", "core_id"} {
		if text := h.Text(topology + file); text != "" {
			return text
		}
	}
	return name
}

// example is what the first of some processors says of itself.
func example(infos []processor, cpus []int) processor {
	for _, p := range infos {
		if n, err := strconv.Atoi(p["processor"]); err == nil && slices.Contains(cpus, n) {
			return p
		}
	}
	if len(infos) > 0 {
		return infos[0]
	}
	return nil
}

// numbered is the number in a name like cpu12.
func numbered(name, prefix string) (int, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}
