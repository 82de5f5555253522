package device

import (
	"context"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// GPUs lists the PCI functions that show or compute: display controllers (class
// 03) and processing accelerators (12).
func GPUs(ctx context.Context, h sysfs.Host) ([]hardware.GPU, error) {
	names, err := functions(h)
	if err != nil {
		return nil, err
	}
	all := make([]hardware.GPU, len(names))
	err = each(ctx, len(names), func(i int) {
		dir := pciDir + names[i] + "/"
		if class := digits(h, dir+"class", 6); !strings.HasPrefix(class, "03") && !strings.HasPrefix(class, "1200") {
			return
		}
		all[i] = hardware.GPU{
			ID: names[i], Vendor: digits(h, dir+"vendor", 4), Device: digits(h, dir+"device", 4), Driver: h.Base(dir + "driver"),
			Memory: videoMemory(h, dir), NUMA: numa(h, dir), Boot: h.Text(dir+"boot_vga") == "1",
		}
	})
	var found []hardware.GPU
	for _, g := range all {
		if g.Vendor != "" && g.Device != "" {
			found = append(found, g)
		}
	}
	return found, err
}

// videoMemory is what amdgpu tells; other drivers don't, and the largest window
// for prefetching is at least not more than there is.
func videoMemory(h sysfs.Host, dir string) int64 {
	if n, ok := h.Int(dir + "mem_info_vram_total"); ok && n > 0 {
		return n
	}
	return prefetchable(h.Text(dir + "resource"))
}

// Flags of a resource: include/linux/ioport.h.
const (
	resourceMemory   = 0x200
	resourcePrefetch = 0x2000
)

// prefetchable is the size of the largest prefetchable base address register:
// the first six lines of the file resource, each with first, last and flags.
func prefetchable(resource string) (most int64) {
	n := 0
	for line := range strings.Lines(resource) {
		if n++; n > 6 {
			break
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		var v [3]uint64
		good := true
		for i := range f {
			var err error
			if v[i], err = strconv.ParseUint(f[i], 0, 64); err != nil {
				good = false
			}
		}
		first, last, flags := v[0], v[1], v[2]
		const wanted = resourceMemory | resourcePrefetch
		if good && flags&wanted == wanted && last > first && last-first < 1<<50 {
			most = max(most, int64(last-first)+1)
		}
	}
	return most
}
