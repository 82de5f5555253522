package adapt

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// mayResize skips where the kernel lets nobody resize ext4.
func mayResize(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, unix.EPERM) && !capable(t, unix.CAP_SYS_RESOURCE) {
		t.Skip("the kernel resizes ext4 for CAP_SYS_RESOURCE only, which this process lacks")
	}
}

func capable(t *testing.T, n uint) bool {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[n/32].Effective&(1<<(n%32)) != 0
}

// fsck is how each filesystem is checked without being changed.
var fsck = map[string][]string{
	"ext2": {"e2fsck", "-fn"}, "ext3": {"e2fsck", "-fn"}, "ext4": {"e2fsck", "-fn"},
	"xfs": {"xfs_repair", "-n"}, "btrfs": {"btrfs", "check", "--readonly"},
}

func TestGrow(t *testing.T) {
	for _, tc := range []struct {
		name, kind, label, which string
		args                     []string
	}{
		{"ext4", "ext4", "gpt", "last", nil},
		{"ext4 of 1 KiB blocks", "ext4", "gpt", "2", []string{"-b", "1024"}},
		{"ext4 without resize_inode", "ext4", "gpt", "2", []string{"-O", "^resize_inode"}},
		{"ext4 with meta_bg", "ext4", "gpt", "2", []string{"-O", "^resize_inode,meta_bg"}},
		{"ext3", "ext3", "gpt", "part-2", nil},
		{"ext2", "ext2", "gpt", "root", nil},
		{"xfs", "xfs", "gpt", "last", nil},
		{"xfs by label", "xfs", "gpt", "root", nil},
		{"btrfs", "btrfs", "gpt", "2", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const size = 900*mib + 12345*512
			dev := diskOf(t, size, tc.label, volumeOf(t, "vfat", nil), volumeOf(t, tc.kind, nil, tc.args...))
			var before, after map[string]string
			look(t, dev, 2, tc.kind, "", func(dir string) { before = maptest.Tree(t, dir) })
			var said notes
			err := Apply(t.Context(), Options{Disk: dev, Grow: tc.which, Note: said.add})
			mayResize(t, err)
			if err != nil {
				t.Fatal(err)
			}
			_, parts, err := readDisk(dev)
			if err != nil {
				t.Fatal(err)
			}
			p := parts[1]
			if gap := size - p.End(); gap > 2*mib {
				t.Errorf("partition ends %d bytes before the disk does", gap)
			}
			// The last group of ext, of xfs too, may be too small to be of use.
			if gap := p.Partition.Size - p.Covers; gap < 0 || gap > 4*mib {
				t.Errorf("filesystem has %d bytes, %d less than the partition", p.Covers, gap)
			}
			look(t, dev, 2, tc.kind, "", func(dir string) {
				after = maptest.Tree(t, dir)
				var st unix.Statfs_t
				if err := unix.Statfs(dir, &st); err != nil || int64(st.Blocks)*st.Bsize < 650*mib {
					t.Errorf("statfs: %d blocks of %d, %v", st.Blocks, st.Bsize, err)
				}
			})
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			maptest.Tool(t, fsck[tc.kind][0], append(fsck[tc.kind][1:], p.path)...)
			maptest.Tool(t, "sfdisk", "--verify", dev)

			// Once more: nothing to do, and said so.
			said = nil
			if err := Apply(t.Context(), Options{Disk: dev, Grow: tc.which, Note: said.add}); err != nil {
				t.Fatal(err)
			}
			if len(said) != 1 || !strings.Contains(said[0], "fills it already") && !strings.Contains(said[0], "cannot use the last") {
				t.Errorf("second time: %q", said)
			}
		})
	}
}

func TestGrowSwap(t *testing.T) {
	for _, label := range []string{"gpt", "dos", "logical"} {
		t.Run(label, func(t *testing.T) {
			dev := diskOf(t, 100*mib, label, volumeOf(t, "swap", nil))
			if err := Apply(t.Context(), Options{Disk: dev, Grow: "swap"}); err != nil {
				t.Fatal(err)
			}
			_, parts, err := readDisk(dev)
			if err != nil {
				t.Fatal(err)
			}
			p := parts[0]
			if p.Covers != p.Partition.Size || p.Covers < 95*mib || p.Label != "swap" {
				t.Errorf("swap is %+v", p.volume)
			}
			if out := maptest.Tool(t, "swaplabel", p.path); !strings.Contains(out, "LABEL: swap") {
				t.Errorf("swaplabel: %s", out)
			}
			maptest.Tool(t, "sfdisk", "--verify", dev)
		})
	}
}

// What cannot grow is refused before the partition table is changed.
func TestGrowRefused(t *testing.T) {
	bare := maptest.File(t, 16*mib)
	marked := func(off int64, magic string) string {
		v := maptest.File(t, 16*mib)
		f, err := os.OpenFile(v, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte(magic), off); err != nil {
			t.Fatal(err)
		}
		return v
	}
	failed := volumeOf(t, "ext4", nil)
	maptest.Tool(t, "debugfs", "-w", "-R", "ssv state 2", failed)
	for _, tc := range []struct{ name, which, volume, want string }{
		{"lvm", "last", marked(0x218, "LVM2 001"), "LVM"},
		{"luks", "last", marked(0, "LUKS\xba\xbe"), "encrypted"},
		{"nothing", "last", bare, "nothing known"},
		{"fat", "last", volumeOf(t, "vfat", nil), "FAT cannot grow"},
		{"hibernated", "last", marked(4086, "S1SUSPEND\x00"), "hibernated"},
		{"number", "7", bare, `no partition is "7"`},
		{"label", "rooot", bare, `no partition is "rooot"`},
		{"errors", "last", failed, "marked to have errors"},
		{"sparse_super2", "last", volumeOf(t, "ext4", nil, "-O", "sparse_super2"), "sparse_super2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev := diskOf(t, 120*mib, "gpt", tc.volume)
			before := table(t, dev)
			err := Apply(t.Context(), Options{Disk: dev, Grow: tc.which, Hostname: "node"})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			} else if diff := cmp.Diff([]string{"set hostname node"}, e.Skipped); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
			if after := table(t, dev); before != after {
				t.Error("the partition table has changed")
			}
		})
	}
}

func table(t *testing.T, dev string) string {
	t.Helper()
	d, err := blockdev.Open(dev, blockdev.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b := make([]byte, mib)
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b)
}
