package bootos

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/api"
	"golang.org/x/sys/unix"
)

const (
	rootUUID = "9b0c6f5e-7a35-4bb0-9c26-1f2f0d1f3a11"
	debian   = `
set root='hd0,gpt1'
search --no-floppy --fs-uuid --set=root ` + rootUUID + `
menuentry 'Debian GNU/Linux' {
	linux /boot/vmlinuz root=UUID=` + rootUUID + ` ro quiet console=ttyS1
	initrd /boot/microcode.img /boot/initrd.img
}
`
)

func installed(extra map[string]string) map[string]string {
	files := map[string]string{"boot/vmlinuz": bzImage("6.1.0-28-amd64 test"), "boot/microcode.img": "12345", "boot/initrd.img": "initrd"}
	for k, v := range extra {
		files[k] = v
	}
	return files
}

// payloadOf does what boot does up to the load, and reads everything.
func payloadOf(t *testing.T, dev string, change edit) (cmdline, kernel, initrd string, s System, err error) {
	t.Helper()
	vs, err := mountDisk(dev, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := vs.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	systems, err := vs.systems(context.Background(), testLog(t))
	if err != nil {
		return "", "", "", s, err
	}
	s = systems[0]
	p, err := vs.prepare(s, change)
	if err != nil {
		return "", "", "", s, err
	}
	defer p.Close()
	k, err := io.ReadAll(p.kernel)
	if err != nil {
		t.Fatal(err)
	}
	if p.initrd != nil {
		i, err := io.ReadAll(p.initrd)
		if err != nil {
			t.Fatal(err)
		}
		initrd = string(i)
	}
	return p.cmdline, string(k), initrd, s, nil
}

// TestFilesystems boots from each filesystem, captured as it lay on the disk
// while it was mounted and being written, so with a journal to replay. Not a
// byte may change.
func TestFilesystems(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			needs(t, fstype)
			file := image(t, fstype, rootUUID, "root")
			dirty := filepath.Join(t.TempDir(), "dirty.img")
			dev := loop(t, file)
			mounted(t, dev, fstype, "", func(dir string) {
				write(t, dir, installed(map[string]string{"boot/grub/grub.cfg": debian}))
			})
			mounted(t, dev, fstype, "", func(dir string) {
				// An unlinked open file puts ext4's orphan list to use, and
				// fsync leaves a log to replay.
				f, err := os.Create(filepath.Join(dir, "orphan"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.Write(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(f.Name()); err != nil {
					t.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				write(t, dir, map[string]string{"late": "x"})
				late, err := os.Open(filepath.Join(dir, "late"))
				if err != nil {
					t.Fatal(err)
				}
				defer late.Close()
				if err := late.Sync(); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(file)
				if err == nil {
					err = os.WriteFile(dirty, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			})
			before := digest(t, dirty)
			dev = loop(t, dirty)
			cmdline, kernel, initrd, s, err := payloadOf(t, dev, edit{Consoles: []string{"tty0", "ttyS0,115200"}})
			if err != nil {
				t.Fatal(err)
			}
			if s.Loader != "GRUB" || s.Default().Title != "Debian GNU/Linux" {
				t.Errorf("system %+v", s)
			}
			if want := "root=UUID=" + rootUUID + " ro quiet console=ttyS1 console=tty0 console=ttyS0,115200"; cmdline != want {
				t.Errorf("command line %q, want %q", cmdline, want)
			}
			if kernel != bzImage("6.1.0-28-amd64 test") {
				t.Error("kernel differs")
			}
			if want := "12345\x00\x00\x00initrd\x00\x00"; initrd != want {
				t.Errorf("initrd %q, want %q", initrd, want)
			}
			unix.Sync()
			if digest(t, dirty) != before {
				t.Error("the disk has changed")
			}
			// The device is writable again, and free.
			f, err := os.OpenFile(dev, os.O_RDWR|unix.O_EXCL, 0)
			if err != nil {
				t.Fatalf("open disk afterwards: %v", err)
			}
			defer f.Close()
			if ro, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET); err != nil || ro != 0 {
				t.Errorf("disk is read-only afterwards (%d, %v)", ro, err)
			}
		})
	}
}

// TestPartitions follows an EFI system partition's stub to a separate /boot.
func TestPartitions(t *testing.T) {
	needs(t, "ext4")
	const bootUUID = "c3b9e6d2-0f43-4b0c-93d5-2ab1c6d7e8f9"
	esp, boot, root := image(t, "ext4", "11111111-0f43-4b0c-93d5-2ab1c6d7e8f9", "ESP"), image(t, "ext4", bootUUID, "boot"), image(t, "ext4", rootUUID, "root")
	mounted(t, loop(t, esp), "ext4", "", func(dir string) {
		write(t, dir, map[string]string{
			"EFI/old/grub.cfg":    "search.fs_uuid 00000000-0000-0000-0000-000000000000 root\nset prefix=($root)/grub\nconfigfile $prefix/grub.cfg\n",
			"EFI/ubuntu/grub.cfg": "search.fs_uuid " + bootUUID + " root hd0,gpt2\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n",
		})
	})
	mounted(t, loop(t, boot), "ext4", "", func(dir string) {
		write(t, dir, map[string]string{
			"grub/grub.cfg": "menuentry Ubuntu { search --label --set=root boot; linux /link root=0x0301 -- single; initrd (hd0,gpt3)/boot/initrd.img }",
			"vmlinuz-6.8":   bzImage("6.8.0"),
		})
		if err := os.Symlink("/vmlinuz-6.8", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
	})
	mounted(t, loop(t, root), "ext4", "", func(dir string) { write(t, dir, installed(nil)) })
	dev := loop(t, disk(t, esp, boot, root))
	cmdline, kernel, initrd, s, err := payloadOf(t, dev, edit{Consoles: []string{"ttyS0"}, Append: "orbit.was=here"})
	if err != nil {
		t.Fatal(err)
	}
	if want := dev + "p1:/EFI/ubuntu/grub.cfg"; s.Config.String() != want {
		t.Errorf("configuration %s, want %s", s.Config, want)
	}
	if want := "root=/dev/block/3:1 console=ttyS0 orbit.was=here -- single"; cmdline != want {
		t.Errorf("command line %q, want %q", cmdline, want)
	}
	if kernel != bzImage("6.8.0") || initrd != "initrd" {
		t.Errorf("kernel of %d bytes, initrd %q", len(kernel), initrd)
	}
	systems, err := Find(context.Background(), dev, testLog(t))
	if err != nil || len(systems) != 2 {
		t.Errorf("found %d systems (%v), want the stub's and the direct one", len(systems), err)
	}
}

// TestSubvolumes reads btrfs as Ubuntu lays it out (@) and as openSUSE does
// (a default subvolume).
func TestSubvolumes(t *testing.T) {
	needs(t, "btrfs")
	for _, tc := range []struct{ name, subvolume, path string }{
		{"ubuntu", "@", "/@/boot"},
		{"opensuse", "@", "/boot"},
		{"other name", "@rootfs", "/@rootfs/boot"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := image(t, "btrfs", rootUUID, "root")
			dev := loop(t, file)
			mounted(t, dev, "btrfs", "", func(dir string) {
				run(t, "btrfs", "subvolume", "create", filepath.Join(dir, tc.subvolume))
				write(t, filepath.Join(dir, tc.subvolume), installed(map[string]string{
					"boot/grub/grub.cfg": "menuentry x { linux " + tc.path + "/vmlinuz ro; initrd " + tc.path + "/initrd.img }",
				}))
			})
			if _, _, initrd, _, err := payloadOf(t, dev, edit{}); err != nil || initrd != "initrd" {
				t.Errorf("initrd %q, error %v", initrd, err)
			}
		})
	}
}

func TestOtherLoaders(t *testing.T) {
	needs(t, "ext4")
	for _, tc := range []struct {
		loader string
		files  map[string]string
		want   string
	}{
		{"systemd-boot", map[string]string{
			"loader/loader.conf": "default b*\n", "loader/entries/b.conf": "title B\nlinux /boot/vmlinuz\ninitrd /boot/initrd.img\noptions a\noptions b\n",
			"loader/entries/z.conf": "title Z\nlinux /none\n"}, "a b"},
		{"syslinux", map[string]string{"boot/extlinux/extlinux.conf": "default l\nlabel l\nlinux ../vmlinuz\ninitrd ../initrd.img\nappend root=/dev/sda1\n"}, "root=/dev/sda1"},
	} {
		t.Run(tc.loader, func(t *testing.T) {
			file := image(t, "ext4", rootUUID, "root")
			dev := loop(t, file)
			mounted(t, dev, "ext4", "", func(dir string) { write(t, dir, installed(tc.files)) })
			cmdline, _, initrd, s, err := payloadOf(t, dev, edit{})
			if err != nil || s.Loader != tc.loader || cmdline != tc.want || initrd != "initrd" {
				t.Errorf("loader %s, command line %q, initrd %q, error %v", s.Loader, cmdline, initrd, err)
			}
		})
	}
}

// TestErrors checks that what cannot be booted says what is wrong and where.
func TestErrors(t *testing.T) {
	needs(t, "ext4")
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"empty", nil, []string{"no GRUB, systemd-boot or syslinux configuration", "(ext4): no boot configuration", "reboot"}},
		{"unreadable", map[string]string{"boot/grub/grub.cfg": "menuentry x {\nlinux /a\nif true\n"}, []string{"boot/grub/grub.cfg", "line 3: if without then", "boot configuration unusable"}},
		{"binary", map[string]string{"boot/grub/grub.cfg": "\x00\x00"}, []string{"not a text file"}},
		{"no entries", map[string]string{"boot/grub/grub.cfg": "set x=1\n"}, []string{"no boot entries"}},
		{"no kernel", map[string]string{"boot/grub/grub.cfg": "menuentry 'My OS' { linux /boot/none }"}, []string{`"My OS"`, "names", ":/boot/none", "no such file"}},
		{"not a kernel", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux /boot/initrd.img }"}, []string{"boot/initrd.img", "too short"}},
		{"elf", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux /elf }", "elf": "\x7fELF" + strings.Repeat("x", 2000)}, []string{"ELF"}},
		{"unified kernel", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux /uki }", "uki": "MZ" + strings.Repeat("x", 2000)}, []string{"EFI program"}},
		{"no initrd", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux /boot/vmlinuz; initrd /none }"}, []string{":/none", "no such file"}},
		{"directory", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux /boot }"}, []string{"not a regular file"}},
		{"other volume", map[string]string{"boot/grub/grub.cfg": "menuentry x { linux (hd1,gpt1)/vmlinuz }"}, []string{"no filesystem with device hd1,gpt1"}},
		{"windows", map[string]string{"boot/grub/grub.cfg": "menuentry x { chainloader +1 }"}, []string{"chainloader +1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev := loop(t, image(t, "ext4", rootUUID, "root"))
			mounted(t, dev, "ext4", "", func(dir string) { write(t, dir, installed(tc.files)) })
			_, _, _, _, err := payloadOf(t, dev, edit{})
			for _, w := range tc.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v, want one with %q", err, w)
				}
			}
		})
	}
	t.Run("mounted", func(t *testing.T) {
		dev := loop(t, image(t, "ext4", rootUUID, "root"))
		mounted(t, dev, "ext4", "", func(dir string) {
			write(t, dir, installed(map[string]string{"boot/grub/grub.cfg": debian}))
			_, err := Find(context.Background(), dev, testLog(t))
			var none *NoSystemError
			if !errors.As(err, &none) || !strings.Contains(err.Error(), "in use") {
				t.Errorf("error %v, want one that says the disk is in use", err)
			}
			write(t, dir, map[string]string{"still": "writable"})
		})
	})
	t.Run("no disk", func(t *testing.T) {
		if _, err := Find(context.Background(), filepath.Join(t.TempDir(), "none"), testLog(t)); err == nil {
			t.Error("no error for a disk that is not there")
		}
		if _, err := Find(context.Background(), image(t, "ext4", rootUUID, "root"), testLog(t)); err == nil || !strings.Contains(err.Error(), "losetup") {
			t.Errorf("error %v for a file, want one that names losetup", err)
		}
	})
}

// TestBoot runs the whole of it but for the load.
func TestBoot(t *testing.T) {
	needs(t, "ext4")
	dev := loop(t, image(t, "ext4", rootUUID, "root"))
	mounted(t, dev, "ext4", "", func(dir string) {
		write(t, dir, installed(map[string]string{"boot/grub/grub.cfg": debian}))
	})
	var events []api.Event
	err := Boot(context.Background(), Options{Disk: dev, Consoles: []string{"ttyS0"}, DryRun: true, Events: func(e api.Event) { events = append(events, e) }}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []api.State
	for _, e := range events {
		got = append(got, e.State)
	}
	if diff := cmp.Diff([]api.State{api.Started, api.Done}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if m := events[1].Message; !strings.Contains(m, "kernel 6.1.0-28-amd64 test") || !strings.Contains(m, "console=ttyS0") {
		t.Errorf("message %q", m)
	}
}
