package board

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

var update = flag.Bool("update", false, "write what the golden files should have")

// sections are what this package tells of a machine.
type sections struct {
	System *hardware.System
	CPUs   []hardware.CPU
	NUMA   []hardware.NUMA
	Memory *hardware.Memory
}

func gather(root string) (sections, error) {
	h, ctx := sysfs.Host{Root: root}, context.Background()
	var s sections
	var errs [4]error
	s.System, errs[0] = System(ctx, h)
	s.CPUs, errs[1] = CPUs(ctx, h)
	s.NUMA, errs[2] = NUMA(ctx, h)
	s.Memory, errs[3] = Memory(ctx, h)
	return s, errors.Join(errs[:]...)
}

// TestMachines describes whole machines and compares with testdata/NAME.json.
func TestMachines(t *testing.T) {
	for _, c := range []struct {
		name  string
		table func() (entry, table []byte)
		files tree
	}{
		{"server", smbiostest.Dell, ghes(server())},
		{"controllers", smbiostest.Supermicro, controllers(server())},
		{"half", smbiostest.HP, half()},
		{"desktop", smbiostest.Desktop, desktop()},
		{"hybrid", nil, hybrid()},
		{"virtual", smbiostest.QEMU, virtual()},
		{"old", smbiostest.Old, old()},
		{"arm", nil, arm()},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := gather(c.files.write(t, c.table))
			if err != nil {
				t.Error(err)
			}
			smbiostest.Golden(t, *update, c.name, got)
		})
	}
}

// ghes has EDAC's labels from SMBIOS, and one of something else.
func ghes(f tree) tree {
	f.dimm(0, 0, "A1", 11, 0)
	f.dimm(0, 1, "B1", 0, 0)
	f.dimm(1, 0, "C9", 3, 1)
	f.dimm(1, 1, "C8", 0, 0)
	f.dimm(1, 2, "C9", 5, 0)
	f.dimm(1, 3, "", 0, 2)
	return f
}

// controllers has EDAC's labels from the driver of the memory controllers.
func controllers(f tree) tree {
	f.dimm(0, 0, "CPU_SrcID#0_MC#0_Chan#0_DIMM#0", 0, 0)
	f.dimm(0, 1, "CPU_SrcID#0_MC#0_Chan#1_DIMM#0", 12, 0)
	f.dimm(1, 0, "CPU_SrcID#0_MC#1_Chan#0_DIMM#0", 3, 0)
	f.dimm(1, 2, "CPU_SrcID#0_MC#1_Chan#2_DIMM#0", 0, 1)
	return f
}

// half has one processor in two sockets, one of its four logical ones offline.
func half() tree {
	f := tree{"proc/meminfo": "MemTotal: 1000 kB\n", "sys/devices/system/cpu/cpu3/online": "0\n", "sys/devices/system/cpu/cpuidle/x": ""}
	f.cpuinfo(3, func(int) int { return 0 }, func(i int) int { return i }, xeon)
	for i := range 3 {
		f.cpu(i, 0, i, fmt.Sprint(i))
	}
	return f
}

func desktop() tree {
	f := tree{"proc/meminfo": "MemTotal: 8000000 kB\n", "sys/devices/system/node/node0/cpulist": "0-3\n", "sys/devices/system/node/node0/distance": "10\n"}
	f.cpuinfo(4, func(int) int { return 0 }, func(i int) int { return i }, xeon)
	for i := range 4 {
		f.cpu(i, 0, i, fmt.Sprint(i))
		f.cache(i, 0, 1, "Data", "32K", fmt.Sprint(i))
		f.cache(i, 1, 1, "Instruction", "32K", fmt.Sprint(i))
		f.cache(i, 2, 2, "Unified", "256K", fmt.Sprint(i))
		f.cache(i, 3, 3, "Unified", "6M", "0-3")
	}
	return f
}

// hybrid has one large core with two threads and four small ones that share a
// cache, and a firmware without SMBIOS.
func hybrid() tree {
	f := tree{"proc/meminfo": "MemTotal: 8000000 kB\n"}
	f.cpuinfo(6, func(int) int { return 0 }, func(i int) int { return max(i-1, 0) }, xeon)
	for i := range 6 {
		own, l2, l1d, size := fmt.Sprint(i), "2-5", "32K", "2M"
		f[fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", i)] = "3800000\n"
		if i < 2 {
			own, l2, l1d, size = "0-1", "0-1", "48K", "1280K"
			f[fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", i)] = "5100000\n"
		}
		f.cpu(i, 0, max(i-1, 0), own)
		f.cache(i, 0, 1, "Data", l1d, own)
		f.cache(i, 1, 1, "Instruction", "64K", own)
		f.cache(i, 2, 2, "Unified", size, l2)
		f.cache(i, 3, 3, "Unified", "24M", "0-5")
	}
	return f
}

func virtual() tree {
	f := tree{"proc/meminfo": "MemTotal: 49000000 kB\n",
		"sys/devices/system/clocksource/clocksource0/available_clocksource": "kvm-clock tsc acpi_pm \n"}
	f.cpuinfo(4, func(i int) int { return i / 2 }, func(i int) int { return i % 2 }, "vendor_id\t: AuthenticAMD\ncpu family\t: 23\nmodel\t\t: 49\nmodel name\t: QEMU TCG CPU version 2.5+\nstepping\t: 1\nmicrocode\t: 0x1\nflags\t\t: fpu lm svm hypervisor\n")
	for i := range 4 {
		f.cpu(i, i/2, i%2, fmt.Sprint(i))
	}
	return f
}

// old has no topology in /sys, and no numbers of packages.
func old() tree {
	return tree{"proc/meminfo": "MemTotal:         500000 kB\n", "sys/devices/system/cpu/cpu0/crash_notes": "",
		"proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 15\nmodel\t\t: 2\nmodel name\t: Intel(R) Pentium(R) 4 CPU 2.40GHz\nstepping\t: 7\nflags\t\t: fpu sse2 pae\n\n"}
}

// arm has a device tree, packages that Linux does not know, and other words.
func arm() tree {
	f := tree{"proc/meminfo": "MemTotal: 4000000 kB\n", "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\x00",
		"sys/firmware/devicetree/base/serial-number": "10000000abcdef01\x00"}
	f["proc/cpuinfo"] = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32\nCPU implementer\t: 0x41\nCPU architecture: 8\n\nprocessor\t: 1\nFeatures\t: fp asimd evtstrm crc32\n\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4\n"
	for i := range 2 {
		f.cpu(i, -1, i, fmt.Sprint(i))
	}
	return f
}
