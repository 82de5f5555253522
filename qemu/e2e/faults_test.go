package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/qemu"
)

// Disks that fail: whatever they refuse, a person is told what and where, the
// exit code is right, and no disk is left that looks like a system.
func TestDiskFaults(t *testing.T) {
	l := newLab(t, userMode)
	s := l.small()
	bad := s.inUse() // where a sector of the image's files is

	data := qemu.Disk{Path: s.oldDisk(l), Faults: []qemu.Fault{{Op: qemu.Write, Off: bad}}}
	flush := qemu.Disk{Path: s.oldDisk(l), Faults: []qemu.Fault{{Op: qemu.Flush, After: 2}}}
	head := qemu.Disk{Path: s.oldDisk(l), Faults: []qemu.Fault{{Op: qemu.Write, Off: sector}}} // its GPT
	read := qemu.Disk{Path: s.oldDisk(l), Faults: []qemu.Fault{{Op: qemu.Read, Off: bad}}}
	l.check(os.WriteFile(read.Path, s.disk, 0o644))
	image := l.server(newMeter(s.path, 0).ServeHTTP) + "/small.img.zst"

	// The first by the agent: nothing is started, the node stays and says why.
	m := l.start(qemu.Node{Memory: 768, Disks: []qemu.Disk{data, flush, head, read},
		Direct: l.direct("quiet orbit.job=image orbit.image=" + image + " orbit.disk=/dev/vda orbit.then=kexec")})
	l.see(m, `write +failed`, `job image FAILED: imagenode: write .*input/output error .*; /dev/vda was left without a partition table and will not boot`,
		`this node stays as it is; press Enter for a shell`)
	l.soundAt(s, data.Path)
	l.check(m.Console.Send("\n"))
	l.see(m, `/ \$ `)

	// The others by hand.
	for _, tt := range []struct {
		name, command string
		status        string
		says          string
	}{
		{"flush", "imagenode " + image + " /dev/vdb", "1", `imagenode: sync /dev/vdb: input/output error .*/dev/vdb may be left with part of a partition table .*: do not boot it`},
		{"head", "imagenode " + image + " /dev/vdc", "1", `imagenode: write the partition table: write /dev/vdc at 512 B: input/output error .*; /dev/vdc was left without a partition table`},
		{"save", "savenode /dev/vdd /tmp/x.img.zst", "1", `savenode: .*read /dev/vdd at .*3 times: input/output error \(disk failing\? see dmesg; --rescue`},
		{"nothing saved", "[ ! -e /tmp/x.img.zst ]", "0", ``},
		{"rescue", "savenode --rescue /dev/vdd /tmp/x.img.zst", "0", `could not be read: zeros are in their place`},
		{"compare", "imagenode " + image + " /dev/vdd", "0", `writing it anew`},
		{"read back", "imagenode --verify=disk " + image + " /dev/vdd", "1", `imagenode: read back /dev/vdd: 1 MiB of it are not what was written`},
	} {
		out, status, err := m.Console.Shell(l.ctx, tt.command)
		l.check(err)
		out = strings.ReplaceAll(out, "\n", " ")
		if status != tt.status || !regexp.MustCompile(tt.says).MatchString(out) {
			t.Errorf("%s: exit status %s, want %s with %q; it said: %s", tt.name, status, tt.status, tt.says, out[max(0, len(out)-1000):])
		}
	}
	l.check(m.Off(l.ctx))
	for _, d := range []qemu.Disk{data, flush, head} {
		l.soundAt(s, d.Path)
	}
	if b, err := os.ReadFile(read.Path); err != nil || s.sound(b) == nil && s.complete(b) == nil {
		t.Errorf("the disk that cannot be read back holds a system (%v)", err)
	}
}

// inUse is a place in the middle of the image's longest range.
func (s *small) inUse() int64 {
	var longest extent.Range
	for r := range s.index.UsedIn(extent.Range{End: s.index.Size}) {
		if r.Len() > longest.Len() {
			longest = r
		}
	}
	return (longest.Off + longest.Len()/2) / sector * sector
}

// soundAt fails if the disk looks like a system.
func (l *lab) soundAt(s *small, path string) {
	l.Helper()
	b, err := os.ReadFile(path)
	l.check(err)
	if err := s.sound(b); err != nil {
		l.Errorf("%s: %v", path, err)
	}
	if s.complete(b) == nil {
		l.Errorf("%s is complete", path)
	}
}
