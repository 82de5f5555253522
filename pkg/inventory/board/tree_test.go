package board

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

// tree is what Linux shows of a machine: contents by path under its root.
type tree map[string]string

// write makes the files, and the SMBIOS table if there is one.
func (f tree) write(t testing.TB, table func() (entry, table []byte)) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, content := range f {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if table != nil {
		entry, b := table()
		smbiostest.Write(t, root, entry, b)
	}
	return root
}

// cpuinfo writes a /proc/cpuinfo of n processors as x86 has it.
func (f tree) cpuinfo(n int, pack, core func(int) int, rest string) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "processor\t: %d\n%sphysical id\t: %d\ncore id\t\t: %d\n\n", i, rest, pack(i), core(i))
	}
	f["proc/cpuinfo"] = b.String()
}

// cpu shows one processor in /sys.
func (f tree) cpu(n, pack, core int, siblings string) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", n)
	f[dir+"topology/physical_package_id"] = fmt.Sprintln(pack)
	f[dir+"topology/core_id"] = fmt.Sprintln(core)
	f[dir+"topology/core_cpus_list"] = siblings + "\n"
}

// cache shows one cache of a processor.
func (f tree) cache(cpu, index, level int, kind, size, shared string) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d/", cpu, index)
	for name, text := range map[string]string{"level": fmt.Sprint(level), "type": kind, "size": size, "shared_cpu_list": shared,
		"coherency_line_size": "64", "ways_of_associativity": "8"} {
		f[dir+name] = text + "\n"
	}
}

// dimm counts errors at one place of a memory controller.
func (f tree) dimm(mc, n int, label string, corrected, uncorrected int) {
	dir := fmt.Sprintf("sys/devices/system/edac/mc/mc%d/", mc)
	f[dir+fmt.Sprintf("dimm%d/dimm_label", n)] = label + "\n"
	f[dir+fmt.Sprintf("dimm%d/dimm_location", n)] = fmt.Sprintf("channel %d slot 0 \n", n)
	f[dir+fmt.Sprintf("dimm%d/dimm_ce_count", n)] = fmt.Sprintln(corrected)
	f[dir+fmt.Sprintf("dimm%d/dimm_ue_count", n)] = fmt.Sprintln(uncorrected)
}

const xeon = `vendor_id	: GenuineIntel
cpu family	: 6
model		: 85
model name	: Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz
stepping	: 4
microcode	: 0x2006e05
cpu MHz		: 2100.000
cache size	: 22528 KB
flags		: fpu vme pae nx pdpe1gb lm constant_tsc vmx sse4_1 sse4_2 x2apic aes avx rdrand avx2 avx512f avx512vl rdseed
bugs		: spectre_v1 svm_is_no_bug
`

// server has two sockets of two cores with two threads, and two nodes. Its
// processors are numbered as Linux does: second threads last.
func server() tree {
	f := tree{
		"proc/meminfo":                             "MemTotal:       65536000 kB\nMemFree: 1 kB\n",
		"sys/devices/system/cpu/cpufreq/boost":     "1\n",
		"sys/devices/system/cpu/possible":          "0-7\n",
		"sys/devices/system/edac/mc/mc0/ce_count":  "12\n",
		"sys/devices/system/edac/mc/mc0/ue_count":  "0\n",
		"sys/devices/system/edac/mc/mc0/size_mb":   "32768\n",
		"sys/devices/system/edac/mc/mc1/ce_count":  "3\n",
		"sys/devices/system/edac/mc/mc1/ue_count":  "1\n",
		"sys/devices/system/edac/mc/power/control": "auto\n",
	}
	pack := func(i int) int { return i / 2 % 2 }
	core := func(i int) int { return i % 2 * 8 }
	f.cpuinfo(8, pack, core, xeon)
	for i := range 8 {
		first := i % 4
		pair := fmt.Sprintf("%d,%d", first, first+4)
		f.cpu(i, pack(i), core(i), pair)
		f[fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", i)] = "3700000\n"
		f.cache(i, 0, 1, "Data", "32K", pair)
		f.cache(i, 1, 1, "Instruction", "32K", pair)
		f.cache(i, 2, 2, "Unified", "1024K", pair)
		f.cache(i, 3, 3, "Unified", "22528K", fmt.Sprintf("%d-%d,%d-%d", pack(i)*2, pack(i)*2+1, pack(i)*2+4, pack(i)*2+5))
	}
	for i := range 2 {
		dir := fmt.Sprintf("sys/devices/system/node/node%d/", i)
		f[dir+"cpulist"] = fmt.Sprintf("%d-%d,%d-%d\n", i*2, i*2+1, i*2+4, i*2+5)
		f[dir+"meminfo"] = fmt.Sprintf("Node %d MemTotal:       32768000 kB\nNode %d MemFree: 5 kB\n", i, i)
		f[dir+"distance"] = [...]string{"10 21\n", "21 10\n"}[i]
	}
	return f
}
