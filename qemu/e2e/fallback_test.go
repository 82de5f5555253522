package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/qemu"
)

// then=reboot: the imaged disk boots through firmware, by GRUB.
func TestThenReboot(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image, Then: api.Reboot})
	// OVMF tries the network's other protocols before the disk: IPv6 would
	// cost a minute for nothing.
	m := l.start(qemu.Node{Firmware: qemu.UEFI, Disks: []qemu.Disk{l.empty(qemu.SATA, 2<<30)},
		Extra: []string{"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no"}})
	l.see(m, `Linux version 6\.12`, banner, `GNU GRUB|Welcome to GRUB`, `Linux version 6\.1\.`)
	l.login(m)
	if m.Resets() == 0 {
		t.Error("no reset, want one")
	}
}

// An installed system whose GRUB configuration cannot be understood is no dead
// end: the node says so and boots it through firmware.
func TestUnreadableGRUBConfig(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image, Image: l.brokenGRUB()})
	m := l.start(qemu.Node{Disks: []qemu.Disk{l.empty(qemu.Virtio, 2<<30)}})
	l.see(m, `Linux version 6\.12`, `(?i)grub\.cfg`, banner, `GNU GRUB|Welcome to GRUB`)
	if m.Resets() == 0 {
		t.Error("no reset, want one")
	}
}

// brokenGRUB makes an image of Debian with a torn grub.cfg and adds it to the
// head's.
func (l *lab) brokenGRUB() string {
	l.Helper()
	disk := l.debian(qemu.Virtio)
	torn := filepath.Join(l.TempDir(), "grub.cfg")
	l.check(os.WriteFile(torn, []byte("if [ -s $prefix/grubenv ]; then\nmenuentry 'Debian' {\n\x00\xff\xfe\n"), 0o644))
	commands := filepath.Join(l.TempDir(), "commands")
	l.check(os.WriteFile(commands, []byte("rm /boot/grub/grub.cfg\nwrite "+torn+" /boot/grub/grub.cfg\n"), 0o644))
	out, err := exec.Command("debugfs", "-w", "-f", commands, disk.Path+"?offset="+rootOffset).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Allocated inode") {
		l.Fatalf("debugfs: %v\n%s", err, out)
	}
	image := filepath.Join(l.TempDir(), "torn.img.zst")
	l.check(exec.Command("zstd", "-q", "-1", "-T0", disk.Path, "-o", image).Run())
	name, err := l.head.AddImage(image)
	l.check(err)
	return name
}

// The head goes away in the middle of an image and comes back: the node waits
// and goes on where it was.
func TestServerComesBack(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image})
	m := l.start(qemu.Node{Disks: []qemu.Disk{l.empty(qemu.NVMe, 2<<30)}})
	l.fetching()
	l.head.Stop()
	l.check(l.head.Start(l.ctx))
	l.login(m)
	l.succeeded()
	l.noFirmware(m, `Linux version 6\.12`)
	log, err := os.ReadFile(l.head.Log())
	l.check(err)
	if !regexp.MustCompile(`path=/images/debian-12\.img\.zst .*range="?bytes=[1-9]`).Match(log) {
		t.Errorf("the second head's log shows no request for the rest of the image:\n%s", log)
	}
}

// fetching waits until a part of the image has been received.
func (l *lab) fetching() {
	l.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, err := l.head.Node(l.ctx, mac); err == nil {
			for _, e := range n.Events {
				if e.Step == api.Fetch && e.State == api.Done {
					l.Fatal("the image was fetched before the head could be stopped")
				}
				if e.Step == api.Fetch && e.State == api.Progress && e.Bytes > 0 {
					return
				}
			}
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			l.Fatalf("no progress of the fetch: %v", l.ctx.Err())
		}
	}
}
