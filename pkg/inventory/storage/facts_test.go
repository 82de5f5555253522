package storage

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// rack is a machine with one disk of every kind, as Linux 6.12 shows them.
func rack() machine {
	m := machine{}
	const nvme = "pci0000:00/0000:00:1d.0/0000:3c:00.0"
	m.disk("nvme0n1", nvme+"/nvme/nvme0", "1000215216", map[string]string{
		"nsid": "1\n", "wwid": "eui.0025385b01404a2f\n", "device/model": "SAMSUNG MZVLB512HAJQ-000L7              \n",
		"device/serial": "S3TNNX0K000001      \n", "device/firmware_rev": "3L1QEXH7\n", "queue/logical_block_size": "4096\n",
		"nvme0n1p1/partition": "1\n", "nvme0n1p1/start": "2048\n", "nvme0n1p1/size": "1048576\n",
		"nvme0n1p10/partition": "10\n", "nvme0n1p10/start": "1050624\n", "nvme0n1p10/size": "8\n",
		"nvme0n1p2/partition": "2\n", "nvme0n1p2/start": "1050632\n", "nvme0n1p2/size": "16\n",
	})
	m["sys/devices/"+nvme+"/current_link_speed"] = "8.0 GT/s PCIe\n"
	m["sys/devices/"+nvme+"/current_link_width"] = "4\n"
	m.driver(nvme, "nvme")

	const vmd = "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0"
	m.disk("nvme1n1", vmd+"/nvme/nvme1", "2097152", map[string]string{
		"nsid": "1\n", "wwid": "nvme.8086-4142-494e54454c-00000001\n", "device/model": "INTEL SSDPEKNW\n", "device/serial": "AB\n", "device/firmware_rev": "002C\n",
	})
	m["sys/devices/"+vmd+"/current_link_speed"] = "8 GT/s\n"
	m["sys/devices/"+vmd+"/current_link_width"] = "4\n"
	m.driver(vmd, "nvme")

	const ahci = "pci0000:00/0000:00:1f.2"
	const ssd = ahci + "/ata10/host9/target9:0:0/9:0:0:0"
	m.disk("sda", ssd, "976773168", map[string]string{
		"device/vendor": "ATA     \n", "device/model": "Samsung SSD 870 \n", "device/rev": "1B6Q\n", "device/wwid": "naa.5002538f00000001\n",
		"device/vpd_pg80": page(0x80, "S5Y1NG0N000001      "),
		"device/vpd_pg89": page89(identity("Samsung SSD 870 EVO 500GB", "S5Y1NG0N000001", "SVT01B6Q", map[int]uint16{217: 1, 48: 1 << 14, 128: 1 | 1<<3})),
	})
	m.driver(ssd, "sd")
	m.driver(ahci, "ahci")
	m["sys/devices/"+ahci+"/ata10/ata_port/ata10/port_no"] = "2\n"
	m["sys/devices/"+ahci+"/ata10/link10/ata_link/link10/sata_spd"] = "6.0 Gbps\n"
	m.disk("sdb", ahci+"/ata9/host8/target8:3:0/8:3:0:0", "2097152", map[string]string{ // behind a port multiplier
		"device/vendor": "ATA     \n", "device/model": "WDC WD10EZEX-00W\n", "device/rev": "1A01\n", "queue/rotational": "1\n", "device/wwid": "t10.ATA     WDC WD10EZEX-00WN4A0                    WD-WCC6Y0000001\n",
		"device/vpd_pg89": page89(identity("WDC WD10EZEX-00WN4A0", "WD-WCC6Y0000001", "01.01A01", map[int]uint16{217: 7200, 48: 1<<14 | 1, 128: 1 | 2 | 4})),
	})
	m["sys/devices/"+ahci+"/ata9/ata_port/ata9/port_no"] = "1\n"
	m["sys/devices/"+ahci+"/ata9/link9.3/ata_link/link9.3/sata_spd"] = "3.0 Gbps\n"

	const sas = "pci0000:00/0000:00:02.0/0000:02:00.0/host0"
	m.driver("pci0000:00/0000:00:02.0/0000:02:00.0", "mpt3sas")
	direct := func(n, name, sectors string, files map[string]string) {
		port := sas + "/port-0:" + n
		m.disk(name, port+"/end_device-0:"+n+"/target0:0:"+n+"/0:0:"+n+":0", sectors, files)
		m["sys/devices/"+port+"/sas_port/port-0:"+n+"/num_phys"] = "1\n"
		m["sys/devices/"+port+"/end_device-0:"+n+"/sas_device/end_device-0:"+n+"/phy_identifier"] = n + "\n"
		m["sys/devices/"+port+"/phy-0:"+n] = "-> ../phy-0:" + n
		m["sys/devices/"+sas+"/phy-0:"+n+"/sas_phy/phy-0:"+n+"/negotiated_linkrate"] = "12.0 Gbit\n"
	}
	direct("3", "sdc", "1172123568", map[string]string{
		"device/vendor": "SEAGATE \n", "device/model": "ST600MM0009     \n", "device/rev": "C003\n", "device/wwid": "naa.5000c500a1b2c3d4\n", "queue/rotational": "1\n",
		"device/vpd_pg80": page(0x80, "W0M00001"), "device/vpd_pgb1": page(0xb1, "\x29\x1e\x00\x00"), // 10526
	})
	direct("4", "sdd", "1172123568", map[string]string{ // a SATA disk on the same controller
		"device/vendor": "ATA     \n", "device/model": "INTEL SSDSC2KB48\n", "device/rev": "0132\n", "device/wwid": "naa.55cd2e4150000001\n", "device/vpd_pg80": page(0x80, "  PHYF00000001"),
	})
	const expander = sas + "/port-0:0/expander-0:0/port-0:0:7/end_device-0:0:7"
	m.disk("sde", expander+"/target0:0:9/0:0:9:0", "1172123568", map[string]string{
		"device/vendor": "HGST    \n", "device/model": "HUS726T6TAL5200 \n", "device/wwid": "naa.5000cca000000000\n", "device/vpd_pg80": page(0x80, "V8G00001"), "queue/rotational": "1\n",
	})
	m["sys/devices/"+sas+"/port-0:0/expander-0:0/sas_device/expander-0:0/sas_address"] = "0x500304801f0a1b3f\n"
	m["sys/devices/"+sas+"/port-0:0/expander-0:0/port-0:0:7/sas_port/port-0:0:7/num_phys"] = "1\n"
	m["sys/devices/"+expander+"/sas_device/end_device-0:0:7/phy_identifier"] = "7\n"

	m.disk("vda", "pci0000:00/0000:00:03.0/virtio1", "2097152", map[string]string{"serial": "disk-one", "device/vendor": "0x1af4\n"})
	m.driver("pci0000:00/0000:00:03.0/virtio1", "virtio_blk")
	m.driver("pci0000:00/0000:00:03.0", "virtio-pci")
	m.disk("sdf", "pci0000:00/0000:00:04.0/virtio2/host11/target11:0:1/11:0:1:2", "2097152", map[string]string{
		"device/vendor": "QEMU    \n", "device/model": "QEMU HARDDISK   \n", "device/rev": "2.5+\n", "device/vpd_pg80": page(0x80, "abc"),
	})
	m.driver("pci0000:00/0000:00:04.0/virtio2", "virtio_scsi")

	const stick = "pci0000:00/0000:00:14.0/usb2/2-1/2-1.4"
	m.disk("sdg", stick+"/2-1.4:1.0/host7/target7:0:0/7:0:0:0", "60062500", map[string]string{
		"removable": "1\n", "device/vendor": "SanDisk \n", "device/model": "Ultra           \n", "device/rev": "1.00\n",
	})
	m["sys/devices/"+stick+"/idVendor"] = "0781\n"
	m["sys/devices/"+stick+"/serial"] = "0000000000000000\n"
	m["sys/devices/"+stick+"/speed"] = "5000\n"
	m.driver(stick+"/2-1.4:1.0", "usb-storage")
	m.driver(stick, "usb")
	m.driver("pci0000:00/0000:00:14.0", "xhci_hcd")

	m.disk("mmcblk0", "pci0000:00/0000:00:1c.0/mmc_host/mmc0/mmc0:0001", "15269888", map[string]string{
		"device/name": "DF4016\n", "device/serial": "0x0a1b2c3d\n", "device/fwrev": "0x4\n", "device/life_time": "0x02 0x03\n", "device/pre_eol_info": "0x01\n",
	})
	m.driver("pci0000:00/0000:00:1c.0/mmc_host/mmc0/mmc0:0001", "mmcblk")
	m.driver("pci0000:00/0000:00:1c.0", "sdhci-pci")
	m.disk("mmcblk1", "platform/fe340000.mmc/mmc_host/mmc1/mmc1:aaaa", "62333952", map[string]string{
		"ro": "1\n", "device/name": "SC32G\n", "device/serial": "0x00000000\n", "device/fwrev": "0x0\n",
	})
	m["sys/devices/platform/fe340000.mmc/subsystem"] = "-> /sys/bus/platform"

	// Two ways to one namespace.
	const head = "virtual/nvme-subsystem/nvme-subsys2"
	m.disk("nvme2n1", head, "2097152", map[string]string{"nsid": "1\n", "wwid": "uuid.12345678-1234-1234-1234-123456789abc\n", "device/model": "Shared\n", "device/serial": "MP1\n", "device/firmware_rev": "1.0\n"})
	m["sys/class/nvme/nvme2"] = "-> ../../devices/pci0000:80/0000:81:00.0/nvme/nvme2"
	m["sys/devices/pci0000:80/0000:81:00.0/nvme/nvme2/cntlid"] = "1\n"
	m.driver("pci0000:80/0000:81:00.0", "nvme")

	// None of these is one.
	m.disk("zram0", "virtual", "2097152", nil)
	m.disk("sr0", ahci+"/ata3/host2/target2:0:0/2:0:0:0", "2097152", nil)
	m.disk("sdh", "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host6/target6:0:0/6:0:0:0", "0", nil) // no card in the reader
	return m
}

func TestFacts(t *testing.T) {
	got, err := Disks(context.Background(), tree(t, rack()))
	if err != nil {
		t.Fatal(err)
	}
	intp := func(n int) *int { return &n }
	yes := true
	want := []hardware.Disk{
		{
			ID: "naa.5000cca000000000", Name: "sde", Path: "pci-0000:02:00.0-sas-exp0x500304801f0a1b3f-phy7-lun-0", Model: "HUS726T6TAL5200", Vendor: "HGST", Serial: "V8G00001", WWN: "naa.5000cca000000000",
			Size: 1172123568 * 512, Sector: 512, Physical: 4096, Bus: "sas", Driver: "mpt3sas", Address: "0000:02:00.0", Rotational: true,
		}, {
			ID: "naa.5000c500a1b2c3d4", Name: "sdc", Path: "pci-0000:02:00.0-sas-phy3-lun-0", Model: "ST600MM0009", Vendor: "SEAGATE", Serial: "W0M00001", WWN: "naa.5000c500a1b2c3d4", Firmware: "C003",
			Size: 1172123568 * 512, Sector: 512, Physical: 4096, Bus: "sas", Driver: "mpt3sas", Address: "0000:02:00.0", Rotational: true, RPM: 10526, Link: "12.0 Gbps",
		}, {
			ID: "naa.55cd2e4150000001", Name: "sdd", Path: "pci-0000:02:00.0-sas-phy4-lun-0", Model: "INTEL SSDSC2KB48", Serial: "PHYF00000001", WWN: "naa.55cd2e4150000001", Firmware: "0132",
			Size: 1172123568 * 512, Sector: 512, Physical: 4096, Bus: "sata", Driver: "mpt3sas", Address: "0000:02:00.0", Link: "12.0 Gbps",
		}, {
			ID: "disk-one", Name: "vda", Path: "virtio-pci-0000:00:03.0", Serial: "disk-one",
			Size: 1 << 30, Sector: 512, Physical: 4096, Bus: "virtio", Driver: "virtio_blk", Address: "0000:00:03.0",
		}, {
			ID: "QEMU HARDDISK abc", Name: "sdf", Path: "pci-0000:00:04.0-scsi-0:0:1:2", Model: "QEMU HARDDISK", Vendor: "QEMU", Serial: "abc", Firmware: "2.5+",
			Size: 1 << 30, Sector: 512, Physical: 4096, Bus: "scsi", Driver: "virtio_scsi", Address: "0000:00:04.0",
		}, {
			ID: "INTEL SSDPEKNW AB", Name: "nvme1n1", Path: "pci-0000:00:0e.0-pci-10000:e1:00.0-nvme-1", Model: "INTEL SSDPEKNW", Serial: "AB", WWN: "nvme.8086-4142-494e54454c-00000001", Firmware: "002C",
			Size: 1 << 30, Sector: 512, Physical: 4096, Bus: "nvme", Driver: "nvme", Address: "10000:e1:00.0", Link: "8.0 GT/s x4",
		}, {
			ID: "pci-0000:00:14.0-usb-0:1.4:1.0-scsi-0:0:0:0", Name: "sdg", Path: "pci-0000:00:14.0-usb-0:1.4:1.0-scsi-0:0:0:0", Model: "Ultra", Vendor: "SanDisk", Firmware: "1.00",
			Size: 60062500 * 512, Sector: 512, Physical: 4096, Bus: "usb", Driver: "usb-storage", Address: "0000:00:14.0", Removable: true, Link: "5.0 Gbps",
		}, {
			ID: "DF4016 0x0a1b2c3d", Name: "mmcblk0", Model: "DF4016", Serial: "0x0a1b2c3d", Firmware: "0x4",
			Size: 15269888 * 512, Sector: 512, Physical: 4096, Bus: "mmc", Driver: "sdhci-pci", Address: "0000:00:1c.0",
			Readings: &hardware.DiskReadings{Wear: intp(30), Healthy: &yes},
		}, {
			ID: "eui.0025385b01404a2f", Name: "nvme0n1", Path: "pci-0000:3c:00.0-nvme-1", Model: "SAMSUNG MZVLB512HAJQ-000L7", Serial: "S3TNNX0K000001", WWN: "eui.0025385b01404a2f", Firmware: "3L1QEXH7",
			Size: 1000215216 * 512, Sector: 4096, Physical: 4096, Bus: "nvme", Driver: "nvme", Address: "0000:3c:00.0", Link: "8.0 GT/s x4",
			Partitions: []hardware.Partition{
				{ID: "1", Name: "nvme0n1p1", Start: 1 << 20, Size: 512 << 20},
				{ID: "2", Name: "nvme0n1p2", Start: 1050632 * 512, Size: 8192},
				{ID: "10", Name: "nvme0n1p10", Start: 1050624 * 512, Size: 4096},
			},
		}, {
			ID: "WDC WD10EZEX-00WN4A0 WD-WCC6Y0000001", Name: "sdb", Path: "pci-0000:00:1f.2-ata-1.3.0", Model: "WDC WD10EZEX-00WN4A0", Serial: "WD-WCC6Y0000001", Firmware: "01.01A01",
			Size: 1 << 30, Sector: 512, Physical: 4096, Bus: "sata", Driver: "ahci", Address: "0000:00:1f.2", Rotational: true, RPM: 7200, Link: "3.0 Gbps", SED: "supported", Security: "locked",
		}, {
			ID: "naa.5002538f00000001", Name: "sda", Path: "pci-0000:00:1f.2-ata-2", Model: "Samsung SSD 870 EVO 500GB", Serial: "S5Y1NG0N000001", WWN: "naa.5002538f00000001", Firmware: "SVT01B6Q",
			Size: 976773168 * 512, Sector: 512, Physical: 4096, Bus: "sata", Driver: "ahci", Address: "0000:00:1f.2", Link: "6.0 Gbps", SED: "none", Security: "frozen",
		}, {
			ID: "platform-fe340000.mmc", Name: "mmcblk1", Path: "platform-fe340000.mmc", Model: "SC32G",
			Size: 62333952 * 512, Sector: 512, Physical: 4096, Bus: "mmc", ReadOnly: true,
		}, {
			ID: "uuid.12345678-1234-1234-1234-123456789abc", Name: "nvme2n1", Path: "pci-0000:81:00.0-nvme-1", Model: "Shared", Serial: "MP1", WWN: "uuid.12345678-1234-1234-1234-123456789abc", Firmware: "1.0",
			Size: 1 << 30, Sector: 512, Physical: 4096, Bus: "nvme", Driver: "nvme", Address: "0000:81:00.0",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
}

func TestNoDisks(t *testing.T) {
	if got, err := Disks(context.Background(), tree(t, nil)); got != nil || err != nil {
		t.Errorf("a machine without /sys/block: %v, %v", got, err)
	}
}

// TestTwins gives several disks the same names.
func TestTwins(t *testing.T) {
	m := machine{}
	twin := map[string]string{"device/vendor": "ATA     \n", "device/model": "Clone\n", "device/wwid": "naa.5000c500a1b2c3d4\n"}
	for _, n := range []string{"1", "2"} {
		m.disk("sd"+n, "pci0000:00/0000:00:1f."+n+"/ata"+n+"/host"+n+"/target"+n+":0:0/"+n+":0:0:0", "8", twin)
		m["sys/devices/pci0000:00/0000:00:1f."+n+"/ata"+n+"/ata_port/ata"+n+"/port_no"] = "1\n"
	}
	got, err := Disks(context.Background(), tree(t, m))
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	want := []string{"naa.5000c500a1b2c3d4 pci-0000:00:1f.1-ata-1", "naa.5000c500a1b2c3d4 pci-0000:00:1f.2-ata-1"}
	if diff := cmp.Diff(want, []string{got[0].ID, got[1].ID}); diff != "" {
		t.Error(diff)
	}
}
