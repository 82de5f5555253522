package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/qemu"
)

// Without orbitd: dnsmasq and a plain web server, configured as README.md says,
// through TFTP and iPXE.
func TestDnsmasqAndAPlainWebServer(t *testing.T) {
	for _, firmware := range []qemu.Firmware{qemu.BIOS, qemu.UEFI} {
		t.Run(string(firmware), func(t *testing.T) {
			l := newLab(t, ethernet)
			web := t.TempDir()
			url, err := l.rack.FileServer(web)
			l.check(err)
			for name, file := range map[string]string{"vmlinuz": "vmlinuz", "initramfs": "initramfs", "my.img.zst": "debian-12.img.zst"} {
				l.check(os.Symlink(filepath.Join(l.out, file), filepath.Join(web, name)))
			}
			local := strings.NewReplacer("http://10.0.0.1", url, "/srv/tftp", l.tftp(),
				" console=tty0", " "+qemu.NoTimerCheck+" console=tty0")
			config, script := readme(t)
			l.check(os.WriteFile(filepath.Join(web, "orbit.ipxe"), []byte(local.Replace(script)), 0o644))
			l.dnsmasq(local.Replace(config))
			m := l.start(qemu.Node{Firmware: firmware, Disks: []qemu.Disk{l.empty(qemu.Virtio, 2<<30)}})
			l.login(m)
			l.noFirmware(m, `Linux version 6\.12`)
		})
	}
}

// readme takes dnsmasq's configuration and the iPXE script from the README.
func readme(t *testing.T) (config, script string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(after string) string {
		_, rest, ok := strings.Cut(string(text), after)
		if !ok {
			t.Fatalf("README.md has no %q", after)
		}
		var lines []string
		for line := range strings.Lines(strings.TrimLeft(rest, "\n")) {
			code, ok := strings.CutPrefix(line, "    ")
			if !ok {
				break
			}
			lines = append(lines, code)
		}
		return strings.Join(lines, "")
	}
	return block("this in dnsmasq's configuration:\n"), block("and `orbit.ipxe` is\n")
}

// tftp is a directory with iPXE's loaders.
func (l *lab) tftp() string {
	l.Helper()
	dir := l.TempDir()
	for _, name := range []string{"undionly.kpxe", "ipxe.efi"} {
		b, err := os.ReadFile(filepath.Join("/usr/lib/ipxe", name))
		if err != nil {
			l.Skipf("%v (package ipxe)", err)
		}
		l.check(os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	return dir
}

// dnsmasq runs one on the rack with the configuration and what belongs to the
// network itself.
func (l *lab) dnsmasq(config string) {
	l.Helper()
	path := filepath.Join(l.TempDir(), "dnsmasq.conf")
	own := fmt.Sprintf("port=0\ninterface=br0\nbind-interfaces\nuser=root\ndhcp-range=10.7.0.100,10.7.0.199,1h\ndhcp-leasefile=%s\nlog-dhcp\n",
		filepath.Join(l.TempDir(), "leases"))
	l.check(os.WriteFile(path, []byte(own+config), 0o644))
	_, err := l.rack.Run("dnsmasq", "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file="+path)
	l.check(err)
}
