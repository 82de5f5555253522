package board

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Memory describes main memory: the slots and modules that the firmware tells
// of, and the errors that EDAC has counted.
func Memory(ctx context.Context, h sysfs.Host) (*hardware.Memory, error) {
	t, err := smbios.Read(h)
	var m hardware.Memory
	usable := h.Kibibytes("/proc/meminfo", "MemTotal:")
	if usable == 0 {
		err = errors.Join(err, errors.New("read memory size: no MemTotal in /proc/meminfo"))
	}
	main := map[int]bool{} // handles of arrays
	for _, a := range t.MemoryArrays {
		if main[a.Handle] = a.System; a.System {
			m.MaxSize += a.MaxSize
			m.Slots += a.Slots
			if m.ECC == "" {
				m.ECC = a.ECC
			}
		}
	}
	var slots []smbios.MemoryDevice
	for _, d := range t.MemoryDevices {
		if system, ok := main[d.Array]; (system || !ok) && d.Type != "Flash" && d.Type != "ROM" {
			slots = append(slots, d)
		}
	}
	m.Slots = max(m.Slots, len(slots))
	ids := slotIDs(slots)
	for i, d := range slots {
		if !d.Empty {
			m.Total += d.Size
			m.Modules = append(m.Modules, module(ids[i], d))
		}
	}
	if m.Total == 0 {
		m.Total = mapped(h)
	}
	edac(ctx, h, &m)
	if usable > 0 {
		if m.Readings == nil {
			m.Readings = &hardware.MemoryReadings{}
		}
		m.Readings.Usable = usable
	}
	if m.Total == 0 && m.Slots == 0 && m.Readings == nil {
		return nil, err
	}
	return &m, err
}

// mapped is the memory that the firmware's map tells of, bytes: somewhat less
// than is installed.
func mapped(h sysfs.Host) (total int64) {
	const dir = "/sys/firmware/memmap/"
	ranges, _ := h.List(dir)
	for _, r := range ranges {
		start, ok1 := h.Int(dir + r + "/start")
		end, ok2 := h.Int(dir + r + "/end") // inclusive
		if ok1 && ok2 && end > start && start >= 0 && h.Text(dir+r+"/type") == "System RAM" && total <= math.MaxInt64-(end-start) {
			total += end - start + 1
		}
	}
	return max(total, 0)
}

func module(id string, d smbios.MemoryDevice) hardware.DIMM {
	return hardware.DIMM{
		ID: id, Slot: d.Slot, Bank: d.Bank, Size: d.Size, Type: d.Type, Form: d.Form, Speed: d.Speed, Clocked: d.Clocked,
		Vendor: d.Vendor, Part: d.Part, Serial: d.Serial, Asset: d.Asset, Ranks: d.Ranks, Width: d.Width,
		ECC: d.Width > 0 && d.Total > d.Width, Voltage: d.Voltage,
	}
}

// slotIDs names slots so that no two have the same name, and so that a module
// keeps its name whatever is put into or taken from the other slots.
func slotIDs(slots []smbios.MemoryDevice) []string {
	ids := make([]string, len(slots))
	for i, d := range slots {
		ids[i] = d.Slot
		for j, other := range slots {
			if d.Slot == "" || i != j && other.Slot == d.Slot {
				ids[i] = join(d.Bank, d.Slot)
				break
			}
		}
		if ids[i] == "" {
			ids[i] = "slot " + strconv.Itoa(i)
		}
	}
	return unique(ids)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}
