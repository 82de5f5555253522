package e2e

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/qemu"
)

// others are the programs that inventory is compared with, and how they are
// called.
var others = map[string]string{
	"lshw.json": "lshw -json -quiet", "dmidecode": "dmidecode", "lsblk.json": "lsblk -J -O -b",
	"lspci": "lspci -Dn -vmm -k", "lsusb": "lsusb", "ip.json": "ip -j -d link",
}

// toolbox is a tar file with these programs, the libraries they need and
// inventory.
func (l *lab) toolbox(path string) {
	l.Helper()
	f, err := os.Create(path)
	l.check(err)
	defer f.Close()
	w := tar.NewWriter(f)
	have := map[string]bool{}
	put := func(name, src string) {
		if have[name] {
			return
		}
		have[name] = true
		b, err := os.ReadFile(src)
		l.check(err)
		l.check(w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(b))}))
		_, err = w.Write(b)
		l.check(err)
	}
	for _, call := range others {
		name := strings.Fields(call)[0]
		program, err := exec.LookPath(name)
		if err != nil {
			program = "/usr/sbin/" + name
		}
		program, err = filepath.EvalSymlinks(program)
		if errors.Is(err, os.ErrNotExist) {
			l.Skipf("no %s here (packages lshw, dmidecode, util-linux, pciutils, usbutils and iproute2)", name)
		}
		l.check(err)
		put("bin/"+name, program)
		out, err := exec.Command("ldd", program).Output()
		l.check(err)
		for line := range strings.Lines(string(out)) {
			for _, word := range strings.Fields(line) {
				if strings.HasPrefix(word, "/") {
					put("lib/"+filepath.Base(word), word)
				}
			}
		}
	}
	put("bin/inventory", filepath.Join(l.out, "inventory"))
	l.check(w.Close())
}

// told runs all programs on a machine, and gives what they print.
func (l *lab) told(m *qemu.Machine, results string) map[string][]byte {
	l.Helper()
	l.shell(m, "mkdir /t /r && tar -C /t -xf /dev/disk/by-id/virtio-TOOLS")
	l.shell(m, `ld=$(echo /t/lib/ld-linux*); run() { $ld --library-path /t/lib /t/bin/"$@"; }`)
	for name, call := range others {
		l.shell(m, "run "+call+" > /r/"+name)
	}
	l.shell(m, "/t/bin/inventory --json > /r/inventory.json")
	l.shell(m, "/t/bin/inventory > /r/inventory.txt")
	l.shell(m, "tar -C /r -cf - . | dd of=/dev/disk/by-id/virtio-RESULTS bs=64k conv=fsync 2>/dev/null")
	f, err := os.Open(results)
	l.check(err)
	defer f.Close()
	all := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		l.check(err)
		b, err := io.ReadAll(r)
		l.check(err)
		if h.Typeflag == tar.TypeReg {
			all[filepath.Base(h.Name)] = b
		}
	}
}

// What inventory says is what lshw, dmidecode, lsblk, lspci, lsusb and ip say of
// the same machine.
func TestInventoryAgainstOthers(t *testing.T) {
	l := newLab(t, userMode)
	dir := l.TempDir()
	tools, results := filepath.Join(dir, "tools"), filepath.Join(dir, "results")
	l.toolbox(tools)
	n, _ := l.rich()
	n.Disks = []qemu.Disk{l.debian(qemu.Virtio), {Bus: qemu.Virtio, Path: tools, Serial: "TOOLS"}, {Bus: qemu.Virtio, Path: results, Size: 32 << 20, Serial: "RESULTS"}}
	n.First = qemu.Disk0
	m := l.start(n)
	l.login(m)
	all := l.told(m, results)
	for name, b := range all {
		l.check(os.WriteFile(filepath.Join(l.rack.Dir, name), b, 0o644))
	}
	c := comparison{T: t}
	c.read(all)
	c.firmware()
	c.modules()
	c.disks()
	c.devices()
	c.cards()
	c.report()
}
