package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/qemu"
)

// The four cells of the table {off, on} x {image, save}; TestPXE is off and
// image. The node's own system is Debian.

// Off, save: the node boots Orbit from the network, and what is in use on its
// disk becomes an image. Another node with an empty disk is imaged from it, and
// then again, when there is nothing to write.
func TestSaveAndImageAgain(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Save, Image: "saved.img.zst", Then: api.Poweroff})
	disk := l.debian(qemu.SATA)
	m := l.start(qemu.Node{Firmware: qemu.UEFI, Disks: []qemu.Disk{disk}})
	l.succeeded()
	l.check(m.Wait(l.ctx))
	l.check(sameBytes(disk.Path, l.saved("saved.img.zst")))
	l.checkImage(l.saved("saved.img.zst"))

	l.assign(api.Job{Kind: api.Image, Image: "saved.img.zst", Then: api.Stay})
	m = l.start(qemu.Node{Disks: []qemu.Disk{l.empty(qemu.Virtio, 3<<30)}, Direct: l.direct("orbit.head=" + l.head.URL)})
	l.succeeded()
	before, err := m.BlockStats(l.ctx, 0)
	l.check(err)
	l.assign(api.Job{Kind: api.Image, Image: "saved.img.zst", Then: api.Kexec})
	l.see(m, `commit +done in .*: the disk holds the image already: nothing was written`, `Linux version 6\.1\.`)
	after, err := m.BlockStats(l.ctx, 0)
	l.check(err)
	if n := after.Written - before.Written; n != 0 {
		t.Errorf("%d bytes were written to a disk that holds the image", n)
	}
	l.login(m)
	l.succeeded()
	l.noFirmware(m, `Linux version 6\.12`)
}

// checkImage compares every span of an Orbit image with its digest.
func (l *lab) checkImage(path string) {
	l.Helper()
	f, err := os.Open(path)
	l.check(err)
	defer f.Close()
	st, err := f.Stat()
	l.check(err)
	file, err := image.Open(f, st.Size())
	l.check(err)
	l.check(image.Check(l.ctx, file, nil))
	if used := file.Used.Len(); used > file.Size*3/4 {
		l.Errorf("%d bytes of %d are in use: more than Debian's", used, file.Size)
	}
	for _, n := range file.Meta.Notes {
		l.Errorf("the image has a note: %s", n)
	}
}

// On, save: a running Debian fetches Orbit, goes over into it without
// firmware, its disk is saved, and it comes back.
func TestSaveOn(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Save, Image: "saved.img.zst", Then: api.Kexec})
	disk := l.debian(qemu.NVMe)
	m := l.start(qemu.Node{Disks: []qemu.Disk{disk}, First: qemu.Disk0})
	l.login(m)
	l.shell(m, "echo before the save > /root/mark; sync")
	l.rejoin(m, "--head "+l.head.URL)
	l.succeeded()
	// The next kernel takes seconds to reach the disk: what is there now is
	// what was saved.
	l.check(m.Pause(l.ctx))
	l.check(sameBytes(disk.Path, l.saved("saved.img.zst")))
	l.check(m.Resume(l.ctx))
	l.login(m)
	if mark := l.shell(m, "cat /root/mark"); mark != "before the save" {
		t.Errorf("mark after the save: %q", mark)
	}
	l.noFirmware(m, leaving)
}

// On, image: a running Debian goes over into Orbit without firmware, is
// imaged, and comes up as the new Debian. The job is the head's.
func TestImageOn(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image})
	m := l.start(qemu.Node{Firmware: qemu.UEFI, Disks: []qemu.Disk{l.debian(qemu.Virtio)}, First: qemu.Disk0})
	l.login(m)
	l.shell(m, "echo old > /root/mark; sync")
	l.rejoin(m, "--head "+l.head.URL)
	l.login(m)
	l.succeeded()
	l.shell(m, "test ! -e /root/mark")
	l.noFirmware(m, leaving)
}

// The same with no head: the artifacts and the image come from any web server,
// the job from the command line.
func TestImageOnHeadless(t *testing.T) {
	l := newLab(t, userMode)
	l.artifacts = l.files()
	m := l.start(qemu.Node{Disks: []qemu.Disk{l.debian(qemu.SATA)}, First: qemu.Disk0})
	l.login(m)
	l.shell(m, "echo old > /root/mark; sync")
	l.rejoin(m, "--job image --image "+l.artifacts+"/debian-12.img.zst --disk first")
	l.login(m)
	l.shell(m, "test ! -e /root/mark")
	l.noFirmware(m, leaving)
}

// leaving is what the rejoin command line looks like on the console: from
// there on no firmware may speak.
const leaving = `orbit rejoin`

// rejoin fetches the static binary, as on any distribution, and runs it.
func (l *lab) rejoin(m *qemu.Machine, flags string) {
	l.Helper()
	l.shell(m, "wget -q --tries=10 --retry-connrefused -O /usr/local/bin/orbit "+l.artifacts+"/orbit && chmod +x /usr/local/bin/orbit")
	l.check(m.Console.Send("orbit rejoin --append " + qemu.NoTimerCheck + " " + flags + " " + l.artifacts + "\n"))
	l.see(m, `Linux version 6\.12`)
}

// saved is the path of an image at the head.
func (l *lab) saved(name string) string { return filepath.Join(l.head.Dir, "images", name) }
