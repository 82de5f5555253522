package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
	l.fsck(disk.Path, rootOffset)
	if out, err := exec.Command("sgdisk", "-v", disk.Path).CombinedOutput(); err != nil || !strings.Contains(string(out), "No problems found") {
		t.Errorf("sgdisk: %v\n%s", err, out)
	}
}

// fsck fails where e2fsck finds anything wrong with the filesystem at an offset.
func (l *lab) fsck(disk, offset string) {
	l.Helper()
	out, err := exec.Command("e2fsck", "-f", "-n", disk+"?offset="+offset).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Pass 5") {
		l.Errorf("e2fsck: %v\n%s", err, out)
	}
}

// Every layout of ext that Linux grows while it is mounted, grown by the node's
// own kernel, many group descriptors further.
func TestGrowExt(t *testing.T) {
	l := newLab(t, userMode)
	files := l.TempDir()
	content := make([]byte, 3*mib)
	rand.NewChaCha8([32]byte{3}).Read(content)
	l.check(os.WriteFile(filepath.Join(files, "file"), content, 0o644))
	web := l.TempDir()
	kinds := [][]string{
		{"-t", "ext4"},
		{"-t", "ext4", "-b", "1024"},
		{"-t", "ext4", "-O", "^resize_inode"},
		{"-t", "ext4", "-O", "^resize_inode,meta_bg", "-b", "1024"},
		{"-t", "ext3"},
		{"-t", "ext2", "-b", "1024"},
	}
	var disks []qemu.Disk
	for i, options := range kinds {
		s := l.extImage(fmt.Sprint(i), files, options...)
		l.check(os.Rename(s.path, filepath.Join(web, filepath.Base(s.path))))
		disks = append(disks, l.empty(qemu.Virtio, 700*mib))
	}
	url, err := l.rack.FileServer(web)
	l.check(err)
	m := l.atShell(disks...)
	for i := range kinds {
		l.shell(m, fmt.Sprintf("imagenode --grow last %s/%d.img.zst /dev/vd%c", url, i, 'a'+i))
	}
	l.check(m.Off(l.ctx))
	for i, options := range kinds {
		disk := disks[i].Path
		l.fsck(disk, "1048576")
		got, err := exec.Command("debugfs", "-R", "cat /file", disk+"?offset=1048576").Output()
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%v: the file is not what it was (%v)", options, err)
		}
		if size := l.extSize(disk, "1048576"); size < 698*mib {
			t.Errorf("%v: the filesystem has %d bytes, want what the disk has", options, size)
		}
	}
}

// extSize is the size of a filesystem as its superblock says.
func (l *lab) extSize(disk, offset string) int64 {
	l.Helper()
	out, err := exec.Command("debugfs", "-R", "stats -h", disk+"?offset="+offset).Output()
	l.check(err)
	number := func(name string) int64 {
		_, rest, _ := strings.Cut(string(out), name+":")
		n, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 10, 64)
		l.check(err)
		return n
	}
	return number("Block count") * number("Block size")
}
