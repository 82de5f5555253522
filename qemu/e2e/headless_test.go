package e2e

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/qemu"
)

// With no head at all, the kernel command line says what to do.
func TestHeadless(t *testing.T) {
	l := newLab(t, userMode)
	sum, err := readSum(filepath.Join(l.out, "debian-12.img.zst.sha256"))
	l.check(err)
	m := l.start(qemu.Node{Disks: []qemu.Disk{l.empty(qemu.Virtio, 2<<30), {Bus: qemu.NVMe, Path: filepath.Join(t.TempDir(), "other"), Size: 1 << 30}},
		Direct: l.direct("orbit.job=image orbit.image=" + l.files() + "/debian-12.img.zst orbit.sha256=" + sum + " orbit.disk=bus=virtio orbit.then=kexec")})
	l.login(m)
	l.noFirmware(m, `Linux version 6\.12`)
}

// A node with 256 MB of memory images a 2 GB disk, and the disk is the image
// to the last byte.
func TestSmallNode(t *testing.T) {
	l := newLab(t, userMode)
	disk := l.empty(qemu.Virtio, 2<<30)
	m := l.start(qemu.Node{Memory: 256, Disks: []qemu.Disk{disk},
		Direct: l.direct("orbit.job=image orbit.image=" + l.files() + "/debian-12.img.zst orbit.disk=first orbit.then=poweroff")})
	l.check(m.Wait(l.ctx))
	l.check(sameBytes(disk.Path, filepath.Join(l.out, "debian-12.img.zst")))
}

// An image made for 512-byte sectors is refused by a disk of 4096-byte ones
// before anything is written.
func TestSectorSizeRefusal(t *testing.T) {
	l := newLab(t, userMode)
	disk := l.empty(qemu.NVMe, 4<<30)
	disk.SectorSize = 4096
	m := l.start(qemu.Node{Disks: []qemu.Disk{disk},
		Direct: l.direct("orbit.job=image orbit.image=" + l.files() + "/debian-12.img.zst orbit.disk=first")})
	l.see(m, `plan +failed`, `refused to write .* sectors of 512 bytes, disk /dev/nvme0n1 has sectors of 4096 bytes`)
	stats, err := m.BlockStats(l.ctx, 0)
	l.check(err)
	if stats.Written != 0 {
		t.Errorf("%d bytes written to a disk that was to be refused", stats.Written)
	}
}

// A server that goes away for good ends the job with a message, and what was
// written does not look like a disk that boots.
func TestServerGoneForGood(t *testing.T) {
	l := newLab(t, userMode)
	disk := l.empty(qemu.Virtio, 2<<30)
	web := newMeter(filepath.Join(l.out, "debian-12.img.zst"), 64*mib)
	web.dies = true
	url := l.server(web.ServeHTTP)
	m := l.start(qemu.Node{Disks: []qemu.Disk{disk},
		Direct: l.direct("orbit.job=image orbit.image=" + url + "/debian-12.img.zst orbit.disk=first orbit.then=poweroff")})
	l.see(m, `(fetch|write) +[1-9][0-9]*%`, `(fetch|write) +failed`, `imagenode: .*/debian-12\.img\.zst: nothing for .*is the server up`)
	f, err := os.Open(disk.Path)
	l.check(err)
	defer f.Close()
	table, err := partition.Read(f, 512)
	if err != nil || table.Scheme != "none" {
		t.Errorf("the half-written disk has a partition table: %+v, %v", table, err)
	}
	first := make([]byte, 512)
	if _, err := io.ReadFull(f, first); err != nil || first[510] == 0x55 && first[511] == 0xaa {
		t.Errorf("the half-written disk has a boot sector (%v)", err)
	}
}
