package storage

import (
	"context"
	"fmt"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// TestPath spells places as udev does.
func TestPath(t *testing.T) {
	const pci = "pci0000:00/0000:00:02.0/0000:03:00.0"
	for _, test := range []struct {
		name, device string
		files        machine // in /sys/devices
		want         string
	}{
		{"sda", pci + "/host3/rport-3:0-1/target3:0:0/3:0:0:300", machine{
			pci + "/host3/rport-3:0-1/target3:0:0/fc_transport/target3:0:0/port_name": "0x500a09818acad222\n",
		}, "pci-0000:03:00.0-fc-0x500a09818acad222-lun-0x012c000000000000"},
		{"sda", pci + "/host3/port-3:0/end_device-3:0/target3:0:0/3:0:0:0", machine{ // through two cables
			pci + "/host3/port-3:0/sas_port/port-3:0/num_phys":                           "2\n",
			pci + "/host3/port-3:0/end_device-3:0/sas_device/end_device-3:0/sas_address": "0x5000c500a1b2c3d5\n",
		}, "pci-0000:03:00.0-sas-0x5000c500a1b2c3d5-lun-0"},
		{"sda", "platform/host5/session1/target5:0:0/5:0:0:1", machine{
			"platform/host5/session1/iscsi_session/session1/targetname":                               "iqn.2026-11.example:disk\n",
			"platform/host5/session1/connection1:0/iscsi_connection/connection1:0/persistent_address": "192.0.2.1\n",
			"platform/host5/session1/connection1:0/iscsi_connection/connection1:0/persistent_port":    "3260\n",
		}, "ip-192.0.2.1:3260-iscsi-iqn.2026-11.example:disk-lun-1"},
		{"sda", "LNXSYSTM:00/VMBUS:01/vmbus_1/host2/target2:0:0/2:0:0:3", machine{
			"LNXSYSTM:00/VMBUS:01/vmbus_1/device_id": "{f8b3781a-1e82-4818-a1c3-63d806ec15bb}\n",
			"LNXSYSTM:00/VMBUS:01/subsystem":         "-> /sys/bus/acpi",
		}, "acpi-VMBUS:01-vmbus-f8b3781a1e824818a1c363d806ec15bb-lun-3"},
		{"sdb", "pci0000:00/0000:00:01.1/ata1/host0/target0:0:1/0:0:1:0", machine{ // the second on a parallel cable
			"pci0000:00/0000:00:01.1/ata1/ata_port/ata1/port_no": "1\n",
		}, "pci-0000:00:01.1-ata-1.1"},
		{"sda", pci + "/host7/target7:2:1/7:2:1:0", machine{pci + "/host6/proc_name": "x\n"}, "pci-0000:03:00.0-scsi-1:2:1:0"},
		{"sda", "pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/host4/target4:0:0/4:0:0:1", nil, "pci-0000:00:14.0-usb-0:4.2:1.0-scsi-0:0:0:1"},
		{"xvda", "vbd-51712", machine{"vbd-51712/subsystem": "-> /sys/bus/xen"}, "xen-vbd-51712"},
		{"vda", "platform/a003e00.virtio_mmio/virtio0", machine{"platform/a003e00.virtio_mmio/subsystem": "-> /sys/bus/platform"}, "platform-a003e00.virtio_mmio"},
		{"mmcblk0", pci + "/mmc_host/mmc0/mmc0:0001", nil, ""}, // udev has none
		{"nvme0n7", "nvme-fabrics/ctl/nvme0", machine{}, ""},
	} {
		m := machine{}
		m.disk(test.name, test.device, "8", nil)
		for k, v := range test.files {
			m["sys/devices/"+k] = v
		}
		disks, err := Disks(context.Background(), tree(t, m))
		if err != nil || len(disks) != 1 {
			t.Errorf("%s: %v, %v", test.device, disks, err)
			continue
		}
		if got := disks[0].Path; got != test.want {
			t.Errorf("%s: %q, want %q", test.device, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string][2]bool{ // PCI, USB
		"0000:00:1f.2": {true, false}, "10000:e1:00.0": {true, false}, "pci0000:00": {}, "0000:00:1g.2": {}, "0:0:0:0": {}, "0000:00:1f": {},
		"1-2": {false, true}, "1-2.4:1.0": {false, true}, "usb3": {false, true}, "a-2": {}, "1-": {}, "port-0:3": {}, "": {}, "1-2x": {},
	} {
		if got := [2]bool{isPCI(name), isUSB(name)}; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	for s, want := range map[string]string{"6.0 Gbps": "6.0 Gbps", "12.0 Gbit": "12.0 Gbps", "<unknown>": "", "Unknown": "", "": ""} {
		if got := speed(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"S1 ": "S1", "0000000000": "", "0x00000000": "", "FFFFFFFF": "", "Default string": "", "ff0a": "ff0a"} {
		if got := clean(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// FuzzPath has sysfs name devices as it likes.
func FuzzPath(f *testing.F) {
	f.Add("sda", "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda")
	f.Add("nvme0n1", "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1")
	f.Add("sdb", "/0:0:0:0/session/end_device-1")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, name, sys string) {
		p := place{sysfs.Host{Root: "/nonexistent"}, name, sys, split(sys)}
		p.path()
		p.link()
		p.controller()
		p.partitions()
	})
}

// BenchmarkDisks describes a server with 60 disks.
func BenchmarkDisks(b *testing.B) {
	m := machine{}
	for i := range 60 {
		id := fmt.Sprintf("0:0:%d:0", i)
		m.disk(fmt.Sprintf("sd%c%c", 'a'+i/26, 'a'+i%26), fmt.Sprintf("pci0000:00/0000:00:02.0/host0/port-0:%d/end_device-0:%[1]d/target0:0:%[1]d/%s", i, id), "1172123568",
			map[string]string{"device/vendor": "SEAGATE \n", "device/model": "ST600MM0009\n", "device/vpd_pg80": page(0x80, fmt.Sprint("W0M", i))})
	}
	h := tree(b, m)
	for b.Loop() {
		if disks, err := Disks(context.Background(), h); err != nil || len(disks) != 60 {
			b.Fatal(len(disks), err)
		}
	}
}
