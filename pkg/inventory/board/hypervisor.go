package board

import (
	"os"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// hypervisor names what a virtual machine runs under, "" if the machine is none.
// It asks, the surest first: Xen's directory, the hypervisor's leaves of CPUID,
// the clocks that Linux has found, and the names in SMBIOS.
func hypervisor(h sysfs.Host, t *smbios.Table) string {
	if kind := h.Text("/sys/hypervisor/type"); kind != "" {
		return kind
	}
	name := byMaker(t)
	if !virtualCPU(h) {
		return name
	}
	if s := bySignature(h); s != "" {
		return s
	}
	if c := byClock(h); c != "" {
		return c
	}
	if name == "" {
		switch {
		case strings.HasPrefix(t.System.Vendor, "Amazon"), strings.HasPrefix(t.System.Vendor, "Google"): // they rent out bare metal too
			return "kvm"
		}
		return "other"
	}
	return name
}

// virtualCPU tells whether the processor has the flag by which hypervisors show
// themselves.
func virtualCPU(h sysfs.Host) bool {
	for _, p := range cpuinfo(h) {
		return strings.Contains(p["flags"]+" ", " hypervisor ")
	}
	return false
}

// bySignature reads the hypervisor's CPUID leaves, by the kernel's cpuid device:
// the place in the file is the leaf, what is read are EAX to EDX.
func bySignature(h sysfs.Host) string {
	f, err := os.Open(h.Path("/dev/cpu/0/cpuid"))
	if err != nil {
		return ""
	}
	defer f.Close()
	found := ""
	for _, leaf := range []int64{0x40000000, 0x40000100} { // KVM and Xen that pose as Hyper-V for Windows go to the second
		var b [16]byte
		if _, err := f.ReadAt(b[:], leaf); err != nil {
			break
		}
		switch s := strings.TrimRight(string(b[4:]), "\x00"); s {
		case "KVMKVMKVM", "Linux KVM Hv":
			return "kvm"
		case "XenVMMXenVMM":
			return "xen"
		case "Microsoft Hv":
			found = "hyperv"
		case "VMwareVMware":
			found = "vmware"
		case "TCGTCGTCGTCG":
			found = "qemu"
		case "VBoxVBoxVBox":
			found = "virtualbox"
		case "bhyve bhyve ":
			found = "bhyve"
		case "ACRNACRNACRN":
			found = "acrn"
		case " lrpepyh  vr", " prl hyperv ":
			found = "parallels"
		}
		if found != "hyperv" {
			break
		}
	}
	return found
}

func byClock(h sysfs.Host) string {
	clocks := h.Text("/sys/devices/system/clocksource/clocksource0/available_clocksource")
	switch {
	case strings.Contains(clocks, "kvm-clock"):
		return "kvm"
	case strings.Contains(clocks, "xen"):
		return "xen"
	case strings.Contains(clocks, "hyperv"):
		return "hyperv"
	}
	return ""
}

// byMaker goes by names that only virtual machines have.
func byMaker(t *smbios.Table) string {
	vendor, product := t.System.Vendor, t.System.Product
	switch {
	case product == "KVM", strings.HasPrefix(product, "OpenStack"), vendor == "Red Hat" && product == "RHEV Hypervisor":
		return "kvm"
	case vendor == "QEMU", vendor == "Bochs", t.BIOS.Vendor == "Bochs":
		return "qemu"
	case strings.HasPrefix(vendor, "VMware"), strings.HasPrefix(product, "VMware"):
		return "vmware"
	case strings.HasPrefix(vendor, "Microsoft") && product == "Virtual Machine":
		return "hyperv"
	case vendor == "Xen":
		return "xen"
	case product == "VirtualBox":
		return "virtualbox"
	case strings.HasPrefix(vendor, "Parallels"):
		return "parallels"
	case product == "BHYVE":
		return "bhyve"
	}
	return ""
}
