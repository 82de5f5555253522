package board

import (
	"context"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// mostNodes is what Linux can have (2^10).
const mostNodes = 1 << 10

// NUMA lists the nodes of memory, in order of number.
func NUMA(ctx context.Context, h sysfs.Host) (found []hardware.NUMA, err error) {
	const dir = "/sys/devices/system/node/"
	names, err := h.List(dir)
	for _, name := range names {
		if _, ok := numbered(name, "node"); !ok {
			continue
		}
		if ctx.Err() != nil || len(found) == mostNodes {
			return found, context.Cause(ctx)
		}
		n := hardware.NUMA{ID: name, CPUs: h.Text(dir + name + "/cpulist")}
		if m := h.Kibibytes(dir+name+"/meminfo", "MemTotal:"); m > 0 {
			n.Readings = &hardware.NUMAReadings{Memory: m}
		}
		for text := range strings.FieldsSeq(h.Text(dir + name + "/distance")) {
			d, err := strconv.Atoi(text)
			if err != nil || len(n.Distance) == mostNodes {
				n.Distance = nil
				break
			}
			n.Distance = append(n.Distance, d)
		}
		found = append(found, n)
	}
	return found, err
}
