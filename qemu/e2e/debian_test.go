package e2e

import (
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/qemu"
)

// The image is a real system: firmware starts GRUB from it, GRUB its kernel.
func TestDebianBootsByFirmware(t *testing.T) {
	for _, tt := range []struct {
		firmware qemu.Firmware
		bus      qemu.Bus
	}{{qemu.BIOS, qemu.SATA}, {qemu.UEFI, qemu.NVMe}} {
		t.Run(string(tt.firmware)+"-"+string(tt.bus), func(t *testing.T) {
			l := newLab(t, userMode)
			m := l.start(qemu.Node{Firmware: tt.firmware, Disks: []qemu.Disk{l.debian(tt.bus)}, First: qemu.Disk0})
			l.see(m, `GNU GRUB|Welcome to GRUB`, `Linux version 6\.1`)
			l.login(m)
			if state := l.shell(m, "systemctl is-system-running --wait"); state != "running" {
				t.Errorf("system is %s: %s", state, l.shell(m, "systemctl --failed --no-pager | cat"))
			}
			if mounts := l.shell(m, "findmnt -no SOURCE / /boot/efi; findmnt -no SOURCE /boot/efi"); !strings.Contains(mounts, "2") {
				t.Errorf("mounts %q, want / and /boot/efi", mounts)
			}
			l.shell(m, "systemctl is-active ssh")
		})
	}
}
