package layout

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm/lvmtest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// words describes the parts of a layout.
func words(l *Layout) []string {
	var list []string
	var add func(parts []Part, indent string)
	add = func(parts []Part, indent string) {
		for _, p := range parts {
			text := indent + p.Name + ":"
			for _, w := range []string{p.Type, p.Kind, p.Label} {
				if w != "" {
					text += " " + w + ","
				}
			}
			if p.Whole {
				text += " whole"
			}
			list = append(list, strings.TrimSuffix(text, ","))
			add(p.Volumes, "  ")
		}
	}
	add(l.Parts, "")
	return list
}

// TestServer images a disk as servers have it: BIOS and EFI boot, filesystems,
// swap, and logical volumes with more.
func TestServer(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			script := `label: gpt
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
start=2MiB, size=34MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=40MiB, size=32MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
start=72MiB, size=16MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
start=88MiB, size=80MiB, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
`
			size := int64(176 * mib)
			if sector == 512 { // one large one is enough
				size += 120 * mib
				script += "start=176MiB, size=110MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n"
			}
			disk := table(t, size, sector, script)
			write(t, disk, 440-16, "boot code") // in sector 0
			write(t, disk, 100<<10, "core image")
			write(t, disk, mib+1000, "more of it")
			write(t, disk, 36*mib, strings.Repeat("left over", 400000)) // in a gap of 4 MiB
			put(t, disk, 2*mib, mkfs(t, 34*mib, "mkfs.vfat", "-n", "EFI", "-S", fmt.Sprint(sector)))
			root := lived(t, "ext4", 32*mib, "mkfs.ext4", "-q", "-L", "root", "-b", "4096")
			put(t, disk, 40*mib, root)
			put(t, disk, 72*mib, mkfs(t, 16*mib, "mkswap", "-L", "swap"))
			tools := lvmtest.New(t, lvmtest.Slice{File: disk, Off: 88 * mib, Size: 80 * mib})
			tools.Group("vg")
			tools.Volume("vg", "home", 4)
			tools.Volume("vg", "swap", 2)
			tools.Volume("vg", "raw", 3)
			tools.Run("lvextend", "-q", "-l", "+4", "vg/home")
			tools.Close()
			home := lived(t, "ext4", 32*mib, "mkfs.ext4", "-q", "-L", "home")
			put(t, disk, 89*mib, cut(t, home, extent.Range{End: 16 * mib}))
			put(t, disk, (89+16+8+12)*mib, cut(t, home, extent.Range{Off: 16 * mib, End: 32 * mib}))
			put(t, disk, (89+16)*mib, mkfs(t, 8*mib, "mkswap"))
			var data string
			if sector == 512 {
				data = lived(t, "btrfs", 110*mib, "mkfs.btrfs", "-q", "-L", "data")
				put(t, disk, 176*mib, data)
			}

			l := layout(t, disk, sector)
			want := []string{
				"partition 1: BIOS boot, whole",
				"partition 2: ESP, vfat, EFI",
				"partition 3: Linux root (x86-64), ext4, root",
				"partition 4: swap, swap, swap",
				"partition 5: LVM, lvm2, vg",
				"  logical volume vg/home: striped, ext4, home",
				"  logical volume vg/swap: striped, swap",
				"  logical volume vg/raw: striped, whole",
			}
			if data != "" {
				want = append(want, "partition 6: Linux, btrfs, data")
			}
			if diff := cmp.Diff(want, words(l)); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"logical volume vg/raw: nothing that is known is in it; saved whole"}, l.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			t.Log(l.Summary())
			if l.Used.Len() > 100*mib {
				t.Errorf("%d bytes in use", l.Used.Len())
			}
			if r := (extent.Range{Off: 37 * mib, End: 39 * mib}); l.Used.Overlaps(r) {
				t.Error("what is between partitions counts as used")
			}

			copied := keep(t, disk, l)
			if diff := cmp.Diff(sfdisk(t, disk, sector, "", "-d"), sfdisk(t, copied, sector, "", "-d")); diff != "" {
				t.Errorf("partition table (-was +is):\n%s", diff)
			}
			if sector == 512 {
				if out := maptest.Tool(t, "sgdisk", "-v", copied); !strings.Contains(out, "No problems found") {
					t.Errorf("sgdisk of the copy: %s", out)
				}
			}
			for _, r := range []extent.Range{{Off: 0, End: 1024}, {Off: 100 << 10, End: 104 << 10}, {Off: mib, End: 2 * mib}} {
				if !l.Used.Contains(r) {
					t.Errorf("%v of the boot loader is not kept", r)
				}
			}
			maptest.Tool(t, "fsck.vfat", "-n", cut(t, copied, l.Parts[1].Range))
			if diff := cmp.Diff(tree(t, root, "ext4"), tree(t, cut(t, copied, l.Parts[2].Range), "ext4")); diff != "" {
				t.Errorf("root (-was +is):\n%s", diff)
			}
			if data != "" {
				if diff := cmp.Diff(tree(t, data, "btrfs"), tree(t, cut(t, copied, l.Parts[5].Range), "btrfs")); diff != "" {
					t.Errorf("data (-was +is):\n%s", diff)
				}
			}
			pv := cut(t, copied, l.Parts[4].Range)
			after := lvmtest.New(t, lvmtest.Slice{File: pv})
			if lvs := after.Report("lvs", "vg"); len(lvs) != 3 {
				t.Errorf("logical volumes of the copy: %v", lvs)
			}
			after.Close()
			f, size := maptest.Open(t, pv)
			v, err := lvm.Read(f, size)
			if err != nil {
				t.Fatal(err)
			}
			copiedHome := save(t, io.NewSectionReader(v.LVs[0].Reader(f), 0, v.LVs[0].Size))
			maptest.Tool(t, "e2fsck", "-fn", copiedHome)
			if diff := cmp.Diff(tree(t, home, "ext4"), tree(t, copiedHome, "ext4")); diff != "" {
				t.Errorf("home (-was +is):\n%s", diff)
			}
		})
	}
}
