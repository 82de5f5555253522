package board

import (
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// caches counts those that some processors have: one for each set of
// processors that share it. Where processors differ, as in machines with large
// and small cores, those of further sizes have the size in their id.
func caches(h sysfs.Host, cpus []int) (found []hardware.Cache) {
	seen := map[string]bool{}
	for _, cpu := range cpus {
		for i := range 10 {
			number := strconv.Itoa(i)
			dir := cpuDir + "cpu" + strconv.Itoa(cpu) + "/cache/index" + number + "/"
			shared := h.Text(dir + "shared_cpu_list")
			if shared == "" {
				shared = h.Text(dir + "shared_cpu_map")
			}
			if shared == "" {
				if !h.Has(dir + "level") {
					break
				}
				shared = "cpu" + strconv.Itoa(cpu)
			}
			if key := number + " " + shared; !seen[key] {
				seen[key] = true
				if c, ok := cache(h, dir); ok {
					found = count(found, c)
				}
			}
		}
	}
	for i := range found[:max(len(found)-1, 0)] {
		for j := range found[i+1:] {
			if other := &found[i+1+j]; other.ID == found[i].ID {
				other.ID += " " + strconv.FormatInt(other.Size>>10, 10) + "K"
			}
		}
	}
	return found
}

// cache reads one. Those without a size are of no use.
func cache(h sysfs.Host, dir string) (hardware.Cache, bool) {
	level := h.Text(dir + "level")
	size := kibi(h.Text(dir + "size"))
	if level == "" || size <= 0 {
		return hardware.Cache{}, false
	}
	c := hardware.Cache{ID: "L" + level, Size: size}
	switch h.Text(dir + "type") {
	case "Data":
		c.ID += "d"
	case "Instruction":
		c.ID += "i"
	}
	line, _ := h.Int(dir + "coherency_line_size")
	ways, _ := h.Int(dir + "ways_of_associativity")
	c.Line, c.Ways = int(line), int(ways)
	return c, true
}

// count adds a cache to those of its kind and size. The list is in order of ids,
// and large before small.
func count(list []hardware.Cache, c hardware.Cache) []hardware.Cache {
	i, ok := slices.BinarySearchFunc(list, c, func(a, b hardware.Cache) int {
		if d := strings.Compare(a.ID, b.ID); d != 0 {
			return d
		}
		return int(b.Size>>10 - a.Size>>10)
	})
	if !ok {
		list = slices.Insert(list, i, c)
	}
	list[i].Count++
	return list
}

// kibi reads a size as the kernel writes those of caches: "32K".
func kibi(text string) int64 {
	digits := strings.TrimRight(text, "KMG")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0
	}
	switch text[len(digits):] {
	case "K":
		return n << 10
	case "M":
		return n << 20
	case "G":
		return n << 30
	}
	return n
}

// firmwareCaches are those of a processor of one core as SMBIOS has them. Of
// several cores it tells no more than the sum.
func firmwareCaches(t *smbios.Table, p smbios.Processor) (found []hardware.Cache) {
	for _, c := range t.Caches {
		if c.Size > 0 && (c.Handle == p.L1 || c.Handle == p.L2 || c.Handle == p.L3) {
			id := "L" + strconv.Itoa(c.Level)
			switch c.Kind {
			case "data":
				id += "d"
			case "instruction":
				id += "i"
			}
			found = count(found, hardware.Cache{ID: id, Size: c.Size, Ways: c.Ways})
		}
	}
	return found
}
