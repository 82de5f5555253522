package e2e

import (
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/qemu"
)

// The main job on every combination of firmware and disk: a node with an empty
// disk boots from the network, is imaged, and comes up as Debian without a
// second trip through firmware.
func TestPXE(t *testing.T) {
	for _, firmware := range []qemu.Firmware{qemu.BIOS, qemu.UEFI} {
		for bus, device := range map[qemu.Bus]string{qemu.Virtio: "vda", qemu.SATA: "sda", qemu.NVMe: "nvme0n1"} {
			t.Run(string(firmware)+"-"+string(bus), func(t *testing.T) {
				l := newLab(t, ethernet)
				l.serve()
				l.assign(api.Job{Kind: api.Image})
				m := l.start(qemu.Node{Firmware: firmware, Disks: []qemu.Disk{l.empty(bus, 3<<30)}})
				l.see(m, `Linux version 6\.12`, `Linux version 6\.1\.`)
				l.login(m)
				l.succeeded()
				l.noFirmware(m, `Linux version 6\.12`)
				if disk := l.shell(m, "findmnt -no SOURCE /"); !strings.HasPrefix(disk, "/dev/"+device) {
					t.Errorf("root is on %s, want it on %s", disk, device)
				}
			})
		}
	}
}

// Secondary network cards of older machines have their own ROM and driver.
func TestPXEWithE1000(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image})
	m := l.start(qemu.Node{NIC: "e1000", Disks: []qemu.Disk{l.empty(qemu.SATA, 2<<30)}})
	l.login(m)
	l.succeeded()
	l.noFirmware(m, `Linux version 6\.12`)
}
