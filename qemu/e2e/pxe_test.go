package e2e

import (
	"os/exec"
	"path/filepath"
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

// An older machine: a network card with its own ROM and driver, and a root
// told by the number of its device (sda3 is 8:3).
func TestPXEOldStyle(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image, Append: "root=0x0803"})
	m := l.start(qemu.Node{NIC: "e1000", Disks: []qemu.Disk{l.empty(qemu.SATA, 2<<30)}})
	l.login(m)
	l.succeeded()
	l.noFirmware(m, `Linux version 6\.12`)
	if words := l.shell(m, "cat /proc/cmdline"); !strings.Contains(words, " root=/dev/block/8:3") {
		t.Errorf("command line is %q, want its root by number", words)
	}
	if disk := l.shell(m, "findmnt -no MAJ:MIN /"); disk != "8:3" {
		t.Errorf("root is on device %s, want it on 8:3", disk)
	}
}

// Firmware that loads kernel and initramfs as one EFI image, without iPXE: no
// command line comes with it, so the node asks the network for its head.
func TestPXEWithoutIPXE(t *testing.T) {
	l := newLab(t, ethernet)
	artifacts := l.TempDir()
	build := exec.Command("go", "run", "./initramfs", "artifacts", "-kernel", filepath.Join(l.out, "vmlinuz"), "-o", artifacts,
		"-cmdline", "console=tty0 console=ttyS0,115200 "+qemu.NoTimerCheck)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		l.Fatalf("build an EFI image for emulated machines: %v\n%s", err, out)
	}
	l.serve("--uefi-direct", "--artifacts", artifacts)
	l.assign(api.Job{Kind: api.Image})
	m := l.start(qemu.Node{Firmware: qemu.UEFI, Disks: []qemu.Disk{l.empty(qemu.NVMe, 2<<30)}})
	l.see(m, `Linux version 6\.12`, `head: http://.*, as the network says`)
	l.login(m)
	l.succeeded()
	l.noFirmware(m, `Linux version 6\.12`)
}
