package adapt

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// all asks for everything but to grow.
func all(t testing.TB, dev string) Options {
	return Options{
		Disk: dev, Hostname: "node-7", MachineID: true, SSHHostKeys: true,
		AuthorizedKeys: []Key{{"ann", key(1)}}, NoCloud: &Seed{UserData: []byte("#cloud-config\n")},
		Archive: tarOf(t, stream.Zstd, member1{name: "srv/data", text: strings.Repeat("data", 1000)}),
	}
}

// checkAll looks whether everything is there.
func checkAll(t testing.TB, dir string) {
	t.Helper()
	got := map[string]string{}
	for _, name := range []string{"etc/hostname", "home/ann/.ssh/authorized_keys", seedDir + "/user-data"} {
		got[name] = textOf(t, dir, name)
	}
	want := map[string]string{"etc/hostname": "node-7\n", "home/ann/.ssh/authorized_keys": key(1) + "\n", seedDir + "/user-data": "#cloud-config\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if n := len(textOf(t, dir, "srv/data")); n != 4000 {
		t.Errorf("unpacked file has %d bytes", n)
	}
	if id := textOf(t, dir, "etc/machine-id"); len(id) != 33 || strings.HasPrefix(id, "0123") {
		t.Errorf("machine-id is %q", id)
	}
	if _, err := os.Stat(filepath.Join(dir, "etc/ssh/ssh_host_x_key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("host key: %v", err)
	}
}

// free fails if a partition is mounted still, or open for that.
func free(t testing.TB, dev string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		f, err := os.OpenFile(blockdev.PartitionPath(dev, n), os.O_RDONLY|unix.O_EXCL, 0)
		if err != nil {
			t.Errorf("partition %d: %v", n, err)
			continue
		}
		f.Close()
	}
}

func TestApply(t *testing.T) {
	for kind, label := range map[string]string{"ext4": "gpt", "ext2": "dos", "xfs": "dos", "btrfs": "gpt"} {
		t.Run(kind, func(t *testing.T) {
			dev := diskOf(t, 400*mib, label, volumeOf(t, "vfat", nil), volumeOf(t, kind, nil))
			o := all(t, dev)
			for range 2 {
				if err := Apply(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			free(t, dev, 1, 2)
			look(t, dev, 2, kind, "", func(dir string) { checkAll(t, dir) })
			maptest.Tool(t, fsck[kind][0], append(fsck[kind][1:], blockdev.PartitionPath(dev, 2))...)
		})
	}
}

// Grown and filled in one go: what is unpacked did not fit before.
func TestApplyGrown(t *testing.T) {
	dev := diskOf(t, 700*mib, "gpt", volumeOf(t, "btrfs", nil))
	o := all(t, dev)
	o.Grow = last
	o.Archive = tarOf(t, stream.Zstd, member1{name: "srv/data", text: strings.Repeat("data", 1000)}, member1{name: "big", text: strings.Repeat("0123456789abcdef", 200*mib/16)})
	if err := Apply(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	look(t, dev, 1, "btrfs", "", func(dir string) {
		checkAll(t, dir)
		if info, err := os.Stat(dir + "/big"); err != nil || info.Size() != 200*mib {
			t.Errorf("large file: %v, %v", info, err)
		}
	})
}

// A system in the subvolumes of one btrfs, home in one of its own.
func TestApplySubvolumes(t *testing.T) {
	for _, top := range []string{"@", "@rootfs", "root"} {
		t.Run(top, func(t *testing.T) {
			vol := maptest.File(t, 128*mib)
			maptest.Tool(t, "mkfs.btrfs", "-q", vol)
			uuid := strings.TrimSpace(maptest.Tool(t, "blkid", "-p", "-o", "value", "-s", "UUID", vol))
			dir, unmount := maptest.Mount(t, vol, "btrfs")
			maptest.Tool(t, "btrfs", "subvolume", "create", dir+"/"+top)
			maptest.Tool(t, "btrfs", "subvolume", "create", dir+"/@home")
			files(t, dir+"/"+top, map[string]string{"etc/fstab": "UUID=" + uuid + " / btrfs subvol=" + top + " 0 0\nUUID=" + uuid + " /home btrfs defaults,subvol=@home 0 0\n"})
			must(t, os.Mkdir(dir+"/@home/ann", 0o755))
			unmount()
			dev := diskOf(t, 200*mib, "gpt", vol)
			if err := Apply(t.Context(), Options{Disk: dev, Hostname: "node-7", AuthorizedKeys: []Key{{"ann", key(1)}}}); err != nil {
				t.Fatal(err)
			}
			free(t, dev, 1)
			look(t, dev, 1, "btrfs", "subvolid=5", func(dir string) {
				if got := textOf(t, dir, top, "etc/hostname"); got != "node-7\n" {
					t.Errorf("hostname is %q", got)
				}
				if got := textOf(t, dir, "@home/ann/.ssh/authorized_keys"); got != key(1)+"\n" {
					t.Errorf("keys are %q", got)
				}
			})
		})
	}
}

// What fstab mounts is found on the disk, by any of its names.
func TestApplyFstab(t *testing.T) {
	home := t.TempDir()
	must(t, os.Mkdir(filepath.Join(home, "ann"), 0o755))
	vol := maptest.File(t, 32*mib)
	maptest.Tool(t, "mke2fs", "-q", "-t", "ext4", "-L", "home dir", "-U", "9a3c5f5e-5d50-4b1b-9c8e-0e7d3b8c1a11", "-d", home, vol)
	for _, tc := range []struct{ spec, fails string }{
		{"UUID=9a3c5f5e-5d50-4b1b-9c8e-0e7d3b8c1a11", ""},
		{`LABEL=home\040dir`, ""},
		{"PARTLABEL=part-3", ""},
		{"/dev/disk/by-uuid/9a3c5f5e-5d50-4b1b-9c8e-0e7d3b8c1a11", ""},
		{"/dev/nvme7n1p3", ""},
		{"UUID=00000000-5d50-4b1b-9c8e-0e7d3b8c1a11", "is not on this disk"},
		{"/dev/mapper/vg-home", "is not on this disk"},
		{"LABEL=swap", "cannot be mounted"},
	} {
		t.Run(tc.spec, func(t *testing.T) {
			root := volumeOf(t, "ext4", map[string]string{"etc/fstab": "# fstab\nUUID=1 / ext4 defaults 0 1\n" + tc.spec + " /home ext4 defaults 0 2\nnone swap swap\n"})
			dev := diskOf(t, 200*mib, "gpt", volumeOf(t, "vfat", nil), root, vol, volumeOf(t, "swap", nil))
			err := Apply(t.Context(), Options{Disk: dev, Hostname: "node-7", AuthorizedKeys: []Key{{"ann", key(1)}}})
			free(t, dev, 1, 2, 3, 4)
			if tc.fails != "" {
				var e *Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v, want %q", err, tc.fails)
				}
				if diff := cmp.Diff([]string{"set hostname node-7"}, e.Done); diff != "" || e.Step != "authorize ssh keys" {
					t.Errorf("failed at %s, done (-want +got):\n%s", e.Step, diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			look(t, dev, 3, "ext4", "", func(dir string) {
				if got := textOf(t, dir, "ann/.ssh/authorized_keys"); got != key(1)+"\n" {
					t.Errorf("keys are %q", got)
				}
			})
		})
	}
}

// Files for the ESP go there, though it keeps no owners.
func TestApplyESP(t *testing.T) {
	dev := diskOf(t, 120*mib, "gpt", volumeOf(t, "vfat", nil), volumeOf(t, "ext4", map[string]string{"etc/fstab": "PARTLABEL=part-1 /boot/efi vfat umask=0077 0 1\n"}))
	err := Apply(t.Context(), Options{Disk: dev, Archive: tarOf(t, stream.Raw, member1{name: "boot/efi/EFI/x.cfg", text: "x", uid: 5, mode: 0o600})})
	free(t, dev, 1, 2)
	if errors.Is(err, unix.ENODEV) {
		t.Skip("this kernel has no vfat")
	}
	if err != nil {
		t.Fatal(err)
	}
	look(t, dev, 1, "vfat", "", func(dir string) {
		if got := textOf(t, dir, "EFI/x.cfg"); got != "x" {
			t.Errorf("file on the ESP: %q", got)
		}
	})
}

func TestApplyRefused(t *testing.T) {
	lvm := maptest.File(t, 16*mib)
	f, err := os.OpenFile(lvm, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("LVM2 001"), 0x218)
	must(t, err, f.Close())
	data := maptest.File(t, 16*mib)
	maptest.Tool(t, "mke2fs", "-q", "-t", "ext4", data)
	system := volumeOf(t, "ext4", nil)
	for _, tc := range []struct {
		name    string
		volumes []string
		root    string
		want    []string
	}{
		{"lvm", []string{volumeOf(t, "vfat", nil), lvm}, "", []string{"LVM", "vfat"}},
		{"no system", []string{data, volumeOf(t, "swap", nil)}, "", []string{"no filesystem with /etc/os-release", "ext4", "swap"}},
		{"two systems", []string{system, data, system}, "", []string{"p1, ", "p3 each look like one"}},
		{"another partition", []string{system, data}, "2", []string{"no filesystem with /etc/os-release"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev := diskOf(t, 250*mib, "gpt", tc.volumes...)
			err := Apply(t.Context(), Options{Disk: dev, Root: tc.root, Hostname: "n"})
			var none *NoRootError
			if !errors.As(err, &none) {
				t.Fatalf("error is %v", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
			free(t, dev, 1, 2)
		})
	}
	t.Run("chosen", func(t *testing.T) {
		dev := diskOf(t, 250*mib, "gpt", system, system)
		if err := Apply(t.Context(), Options{Disk: dev, Root: "2", Hostname: "n"}); err != nil {
			t.Fatal(err)
		}
		look(t, dev, 1, "ext4", "", func(dir string) {
			if got := textOf(t, dir, "etc/hostname"); got != "template\n" {
				t.Errorf("the other system is called %q", got)
			}
		})
	})
	t.Run("mounted", func(t *testing.T) {
		dev := diskOf(t, 250*mib, "gpt", system)
		look(t, dev, 1, "ext4", "", func(string) {
			if err := Apply(t.Context(), Options{Disk: dev, Grow: last}); !errors.Is(err, unix.EBUSY) {
				t.Errorf("error is %v", err)
			}
		})
	})
	t.Run("file", func(t *testing.T) {
		if err := Apply(t.Context(), Options{Disk: data, Hostname: "n"}); err == nil || !strings.Contains(err.Error(), "losetup") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		dev := diskOf(t, 250*mib, "gpt", system)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Apply(ctx, Options{Disk: dev, Hostname: "n"}); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		free(t, dev, 1)
	})
}

// A full disk leaves the system as it was.
func TestApplyFull(t *testing.T) {
	dev := diskOf(t, 100*mib, "gpt", volumeOf(t, "ext4", nil))
	var before, after map[string]string
	look(t, dev, 1, "ext4", "", func(dir string) { before = maptest.Tree(t, dir) })
	var many []member1
	for i := range 60 { // each fits, together they do not
		many = append(many, member1{name: "d/" + string(rune('A'+i)), text: strings.Repeat("x", mib)})
	}
	for name, a := range map[string][]member1{"many": many, "one": {{name: "x", text: strings.Repeat("x", 60*mib)}}} {
		err := Apply(t.Context(), Options{Disk: dev, Archive: tarOf(t, stream.Zstd, a...)})
		if err == nil || !strings.Contains(err.Error(), "free") && !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	look(t, dev, 1, "ext4", "", func(dir string) { after = maptest.Tree(t, dir) })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	if out, err := exec.Command("e2fsck", "-fn", blockdev.PartitionPath(dev, 1)).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}
