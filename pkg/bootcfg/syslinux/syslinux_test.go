package syslinux

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

func parse(files map[string]string, name string) (bootcfg.Menu, error) {
	fsys := fstest.MapFS{}
	for n, content := range files {
		fsys[n] = &fstest.MapFile{Data: []byte(content)}
	}
	return Parse(context.Background(), fsys, "v", name)
}

// line is an entry in one line.
func line(e bootcfg.Entry) string {
	if e.Err != nil {
		return "! " + e.Err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v %s", e.Kernel, e.Initrds, e.Cmdline))
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"extlinux of u-boot and Alpine", map[string]string{"c/x.conf": `
DEFAULT menu.c32
PROMPT 0
MENU TITLE Alpine
LABEL old
  LINUX vmlinuz-old
LABEL lts
  MENU DEFAULT
  MENU LABEL ^Linux lts
  LINUX vmlinuz-lts
  INITRD ucode.img,initramfs-lts
  APPEND root=UUID=1 modules=ext4 quiet
`}, "v:/c/vmlinuz-lts [v:/c/ucode.img v:/c/initramfs-lts] root=UUID=1 modules=ext4 quiet"},
		{"initrd among the arguments", map[string]string{"c/x.conf": "default linux\nlabel linux\nkernel /boot/k\nappend ro initrd=../i,/j root=0x0301\n"}, "v:/boot/k [v:/i v:/j] ro root=0x0301"},
		{"global append", map[string]string{"c/x.conf": "append a b\nlabel x\nkernel k\n"}, "v:/c/k [] a b"},
		{"append minus", map[string]string{"c/x.conf": "append a b\nlabel x\nkernel k\nappend -\n"}, "v:/c/k []"},
		{"default with arguments", map[string]string{"c/x.conf": "default y  more\nlabel x\nlabel y\nkernel k\nappend a\n"}, "v:/c/k [] a more"},
		{"ontimeout wins", map[string]string{"c/x.conf": "default x\nontimeout y\nlabel x\nkernel k\nlabel y\nkernel l\n"}, "v:/c/l []"},
		{"label names the kernel", map[string]string{"c/x.conf": "label vmlinuz\n"}, "v:/c/vmlinuz []"},
		{"include", map[string]string{"c/x.conf": "include inc/a.cfg\nmenu include /b.cfg\ninclude none\n", "c/inc/a.cfg": "default y\n", "b.cfg": "label y\nkernel k\n"}, "v:/c/k []"},
		{"chain", map[string]string{"c/x.conf": "label x\ncom32 chain.c32\n"}, `! label x is a "com32" entry, not a Linux kernel`},
		{"module as kernel", map[string]string{"c/x.conf": "label x\nkernel memdisk.c32\n"}, "! label x starts memdisk.c32, not a Linux kernel"},
		{"backslashes and carriage returns", map[string]string{"c/x.conf": "label x\r\nkernel \\boot\\k\r\n"}, "v:/boot/k []"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := parse(tc.files, "c/x.conf")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, line(m.Entries[m.Default])); diff != "" {
				t.Errorf("default (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	if _, err := parse(map[string]string{"a": "prompt 1\n"}, "a"); !errors.Is(err, bootcfg.ErrNoEntries) {
		t.Errorf("error %v, want ErrNoEntries", err)
	}
	if _, err := parse(map[string]string{"a": "include a\n"}, "a"); err == nil || !strings.Contains(err.Error(), "include each other") {
		t.Errorf("error %v for a file that includes itself", err)
	}
	wide := map[string]string{"a": strings.Repeat("include b\n", 5000), "b": strings.Repeat("x\n", 5000)}
	if _, err := parse(wide, "a"); err == nil || !strings.Contains(err.Error(), "lines") {
		t.Errorf("error %v for a configuration without end", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("default x\nlabel x\nkernel k\nappend initrd=i a\nmenu include a\n")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parse(map[string]string{"a": s}, "a")
		if err == nil && (m.Default < 0 || m.Default >= len(m.Entries)) {
			t.Fatalf("default %d of %d", m.Default, len(m.Entries))
		}
	})
}
