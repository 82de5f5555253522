package board

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

func TestHypervisor(t *testing.T) {
	const metal = "processor\t: 0\nflags\t\t: fpu vme\n"
	const guest = "processor\t: 0\nflags\t\t: fpu hypervisor vme\n"
	system := func(vendor, product string) smbios.System { return smbios.System{Vendor: vendor, Product: product} }
	for _, c := range []struct {
		name    string
		cpuinfo string
		system  smbios.System
		files   tree
		leaves  map[int64]string // signatures by CPUID leaf
		want    string
	}{
		{"metal", metal, system("Dell Inc.", "PowerEdge R740"), nil, nil, ""},
		{"metal that has the leaves of nobody", metal, system("Dell Inc.", "PowerEdge R740"), nil, map[int64]string{0x40000000: "\x01\x02\x03\x04"}, ""},
		{"rented metal", metal, system("Amazon EC2", "m5.metal"), nil, nil, ""},
		{"laptop of a maker of hypervisors", metal, system("Microsoft Corporation", "Surface Pro"), nil, nil, ""},
		{"KVM by CPUID", guest, system("QEMU", "Standard PC (Q35 + ICH9, 2009)"), nil, map[int64]string{0x40000000: "KVMKVMKVM\x00\x00\x00"}, "kvm"},
		{"TCG by CPUID", guest, system("QEMU", "Standard PC (Q35 + ICH9, 2009)"), nil, map[int64]string{0x40000000: "TCGTCGTCGTCG"}, "qemu"},
		{"KVM that poses as Hyper-V", guest, system("QEMU", "Standard PC"), nil, map[int64]string{0x40000000: "Microsoft Hv", 0x40000100: "KVMKVMKVM\x00\x00\x00"}, "kvm"},
		{"Hyper-V by CPUID", guest, system("Microsoft Corporation", "Virtual Machine"), nil, map[int64]string{0x40000000: "Microsoft Hv"}, "hyperv"},
		{"VMware by CPUID", guest, system("Dell Inc.", "PowerEdge R740"), nil, map[int64]string{0x40000000: "VMwareVMware"}, "vmware"},
		{"a new one", guest, system("ACME", "Cloud"), nil, map[int64]string{0x40000000: "ACMEACMEACME"}, "other"},
		{"KVM by its clock", guest, system("QEMU", "Standard PC"), tree{"sys/devices/system/clocksource/clocksource0/available_clocksource": "kvm-clock tsc \n"}, nil, "kvm"},
		{"KVM by its maker", guest, system("Amazon EC2", "m5.large"), nil, nil, "kvm"},
		{"QEMU that hides", metal, system("QEMU", "Standard PC (Q35 + ICH9, 2009)"), nil, nil, "qemu"},
		{"VMware by its maker", guest, system("VMware, Inc.", "VMware7,1"), nil, nil, "vmware"},
		{"Xen by its directory", guest, system("HP", "ProLiant"), tree{"sys/hypervisor/type": "xen\n"}, nil, "xen"},
		{"nothing known", "", smbios.System{}, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := tree{"proc/cpuinfo": c.cpuinfo}
			for path, text := range c.files {
				files[path] = text
			}
			root := files.write(t, nil)
			if c.leaves != nil {
				cpuid(t, filepath.Join(root, "dev/cpu/0/cpuid"), c.leaves)
			}
			if got := hypervisor(sysfs.Host{Root: root}, &smbios.Table{System: c.system}); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// cpuid makes a file like the kernel's cpuid device, with holes.
func cpuid(t *testing.T, path string, leaves map[int64]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for leaf, signature := range leaves {
		if _, err := f.WriteAt([]byte("\x01\x00\x00\x40"+signature), leaf); err != nil {
			t.Fatal(err)
		}
	}
}
