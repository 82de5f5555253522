package e2e

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/qemu"
)

// rootOffset is where Debian's root filesystem begins on its disk.
const rootOffset = "69206016"

// A system that is fitted to a larger disk and to its machine: its root has all
// of the disk when it comes up, its name and its identity are its own, and its
// filesystem is sound.
func TestGrow(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.assign(api.Job{Kind: api.Image, Grow: "last", Hostname: "n17", NewMachineID: true, RemoveHostKeys: true})
	disk := l.empty(qemu.Virtio, 3<<30)
	m := l.start(qemu.Node{Disks: []qemu.Disk{disk}, Direct: l.direct("orbit.head=" + l.head.URL)})
	l.see(m, `adapt +done`)
	l.login(m)
	l.succeeded()
	if size, err := strconv.ParseInt(l.shell(m, "df --output=size -B1 / | tail -n1 | tr -d ' '"), 10, 64); err != nil || size < 2700<<20 {
		t.Errorf("the root filesystem has %d bytes (%v), want nearly all of 3 GiB", size, err)
	}
	if name := l.shell(m, "hostname; cat /etc/hostname"); name != "n17\nn17" {
		t.Errorf("the host is called %q", name)
	}
	l.shell(m, "echo u > /proc/sysrq-trigger; until grep -q '^[^ ]* / ext4 ro' /proc/mounts; do sleep 0.1; done")
	l.check(m.Off(l.ctx))
	out, err := exec.Command("e2fsck", "-f", "-n", disk.Path+"?offset="+rootOffset).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Pass 5") {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
	if out, err := exec.Command("sgdisk", "-v", disk.Path).CombinedOutput(); err != nil || !strings.Contains(string(out), "No problems found") {
		t.Errorf("sgdisk: %v\n%s", err, out)
	}
}
