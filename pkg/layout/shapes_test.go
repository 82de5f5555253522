package layout

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm/lvmtest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

func TestLogicalPartitions(t *testing.T) {
	disk := table(t, 400*mib, 512, `label: dos
start=4MiB, size=20MiB, type=7
start=24MiB, size=300MiB, type=5
start=25MiB, size=20MiB, type=c
start=100MiB, size=20MiB, type=83
start=130MiB, size=20MiB, type=82
start=330MiB, size=20MiB, type=7
`)
	put(t, disk, 4*mib, mkfs(t, 20*mib, "mkfs.exfat", "-L", "share"))
	put(t, disk, 25*mib, mkfs(t, 20*mib, "mkfs.vfat", "-n", "DOS"))
	root := ext4(t, 20*mib)
	put(t, disk, 100*mib, root)
	put(t, disk, 130*mib, mkfs(t, 20*mib, "mkswap"))
	put(t, disk, 330*mib, mkfs(t, 20*mib, "mkfs.ntfs", "-q", "-F", "-f", "-L", "win"))
	write(t, disk, 99*mib+100<<10, "boot loader behind a boot record")

	l := layout(t, disk, 512)
	want := []string{
		"partition 1: NTFS or exFAT, exfat, share",
		"partition 3: NTFS or exFAT, ntfs, win",
		"partition 5: FAT32, vfat, DOS",
		"partition 6: Linux, ext4, fs",
		"partition 7: swap, swap",
	}
	if diff := cmp.Diff(want, words(l)); diff != "" || len(l.Warnings) > 0 {
		t.Errorf("parts (-want +got):\n%s%q", diff, l.Warnings)
	}
	for _, r := range []extent.Range{{Off: 0, End: 4 * mib}, {Off: 24 * mib, End: 25 * mib}, {Off: 99 * mib, End: 100 * mib}, {Off: 399 * mib, End: 400 * mib}} {
		if !l.Used.Contains(r) {
			t.Errorf("%v is not kept", r)
		}
	}
	for _, r := range []extent.Range{{Off: 46 * mib, End: 99 * mib}, {Off: 351 * mib, End: 399 * mib}} {
		if gap := extent.NewSet(r).Intersect(l.Used); gap.Len() > 2*mib {
			t.Errorf("%d bytes of the gap %v are kept", gap.Len(), r)
		}
	}
	copied := keep(t, disk, l)
	if diff := cmp.Diff(sfdisk(t, disk, 512, "", "-d"), sfdisk(t, copied, 512, "", "-d")); diff != "" {
		t.Errorf("partition table (-was +is):\n%s", diff)
	}
	for i, check := range []string{"fsck.exfat -n", "ntfsfix -n", "fsck.vfat -n", "e2fsck -fn"} {
		args := strings.Fields(check)
		maptest.Tool(t, args[0], append(args[1:], cut(t, copied, l.Parts[i].Range))...)
	}
}

func TestHybrid(t *testing.T) {
	disk := table(t, 100*mib, 512, "label: gpt\nstart=1MiB, size=20MiB\nstart=40MiB, size=20MiB\n")
	fs := ext4(t, 20*mib)
	put(t, disk, mib, fs)
	put(t, disk, 40*mib, fs)
	maptest.Tool(t, "sgdisk", "-h", "1:2", disk)
	l := layout(t, disk, 512)
	if len(l.Warnings) > 0 || l.Used.Len() > 20*mib {
		t.Errorf("%d bytes used, %q", l.Used.Len(), l.Warnings)
	}
	// An entry of the MBR for what is no partition of the GPT.
	write(t, disk, 446+3*16, "\x00\xff\xff\xff\x83\xff\xff\xff"+"\x00\x80\x02\x00"+"\x00\x50\x00\x00") // 80 MiB, 10 MiB
	l = layout(t, disk, 512)
	if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "partition 4 of the hybrid MBR") || !l.Used.Contains(extent.Range{Off: 80 * mib, End: 90 * mib}) {
		t.Errorf("%q, used %v", l.Warnings, l.Used.Ranges())
	}
	if l.Parts[0].Whole || l.Parts[1].Whole {
		t.Errorf("parts %+v", l.Parts)
	}
}

func TestNoTable(t *testing.T) {
	const size = 64 * mib
	boot := func(t *testing.T, disk string) { // a boot loader, without partitions
		write(t, disk, 0, "\xeb\x63\x90"+strings.Repeat("\xfa", 400))
		write(t, disk, 510, "\x55\xaa")
	}
	for _, test := range []struct {
		name string
		disk func(t *testing.T) string
		want string
		max  int64 // bytes used
	}{
		{"ext4", func(t *testing.T) string { return ext4(t, size) }, "whole disk: ext4, fs", 16 * mib},
		{"ext4 with a boot loader", func(t *testing.T) string {
			d := ext4(t, size)
			boot(t, d)
			return d
		}, "whole disk: ext4, fs", 16 * mib},
		{"vfat", func(t *testing.T) string { return mkfs(t, size, "mkfs.vfat", "-I", "-n", "STICK") }, "whole disk: vfat, STICK", 16 * mib},
		{"vfat with a table of one", func(t *testing.T) string {
			return mkfs(t, size, "mkfs.vfat", "-I", "--mbr=y", "-n", "STICK")
		}, "whole disk: vfat, STICK", 16 * mib},
		{"exfat", func(t *testing.T) string { return mkfs(t, size, "mkfs.exfat", "-L", "stick") }, "whole disk: exfat, stick", 16 * mib},
		{"ntfs", func(t *testing.T) string { return mkfs(t, size, "mkfs.ntfs", "-q", "-F", "-f", "-L", "stick") }, "whole disk: ntfs, stick", 16 * mib},
		{"xfs", func(t *testing.T) string { return mkfs(t, 320*mib, "mkfs.xfs", "-q", "-L", "stick") }, "whole disk: xfs, stick", 80 * mib},
		{"btrfs", func(t *testing.T) string { return mkfs(t, 128*mib, "mkfs.btrfs", "-q", "-L", "stick") }, "whole disk: btrfs, stick", 16 * mib},
		{"swap", func(t *testing.T) string { return mkfs(t, size, "mkswap") }, "whole disk: swap", 16 * mib},
		{"lvm", func(t *testing.T) string {
			d := maptest.File(t, size)
			tools := lvmtest.New(t, lvmtest.Slice{File: d})
			tools.Group("vg")
			tools.Volume("vg", "root", 4)
			tools.Close()
			put(t, d, mib, ext4(t, 16*mib))
			return d
		}, "whole disk: lvm2, vg|  logical volume vg/root: striped, ext4, fs", 12 * mib},
		{"lvm in lvm", func(t *testing.T) string {
			d := maptest.File(t, size)
			tools := lvmtest.New(t, lvmtest.Slice{File: d})
			tools.Group("vg")
			tools.Volume("vg", "guest", 8)
			tools.Close()
			inner := maptest.File(t, 32*mib)
			tools = lvmtest.New(t, lvmtest.Slice{File: inner})
			tools.Group("vg")
			tools.Close()
			put(t, d, mib, inner)
			return d
		}, "whole disk: lvm2, vg|  logical volume vg/guest: striped, lvm2, vg, whole", 36 * mib},
		{"zeros", func(t *testing.T) string { return maptest.File(t, size) }, "whole disk: whole", size},
		{"boot loader alone", func(t *testing.T) string {
			d := maptest.File(t, size)
			boot(t, d)
			return d
		}, "whole disk: whole", size},
		{"empty gpt", func(t *testing.T) string { return table(t, size, 512, "label: gpt\n") }, "", 36 * mib},
		{"empty dos", func(t *testing.T) string { return table(t, size, 512, "label: dos\n") }, "whole disk: whole", size},
		{"a sector", func(t *testing.T) string { return maptest.File(t, 512) }, "whole disk: whole", 512},
		{"nothing", func(t *testing.T) string { return maptest.File(t, 0) }, "whole disk: whole", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := layout(t, test.disk(t), 512)
			if diff := cmp.Diff(test.want, strings.Join(words(l), "|")); diff != "" {
				t.Errorf("parts (-want +got):\n%s%q", diff, l.Warnings)
			}
			if l.Used.Len() > test.max {
				t.Errorf("%d bytes used, want at most %d", l.Used.Len(), test.max)
			}
			if strings.HasSuffix(test.want, " whole") && len(l.Warnings) != 1 {
				t.Errorf("warnings %q", l.Warnings)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	many := &Layout{Parts: make([]Part, 12)}
	for i := range many.Parts {
		many.Parts[i] = Part{Kind: "ext4", Size: mib}
	}
	for _, test := range []struct {
		l    *Layout
		want string
	}{
		{&Layout{}, "no table: 0 B in use"},
		{many, "no table: " + strings.Repeat("ext4 1.0 MiB, ", 8) + "..., 0 B in use"},
		{&Layout{Parts: []Part{
			{Type: "ESP", Kind: "vfat", Size: 100 * mib},
			{Type: "Linux root (x86-64)", Kind: "ext4", Size: 2000 * mib},
			{Type: "Linux", Size: mib, Whole: true},
			{Type: "BIOS boot", Size: mib, Whole: true},
			{Type: "0x37", Size: mib, Whole: true},
			{Type: "Linux", Kind: "crypto_LUKS", Size: mib, Whole: true},
		}, Used: extent.NewSet(extent.Range{End: 512 * mib})},
			"no table: esp vfat 100 MiB, root ext4 2.0 GiB, unknown 1.0 MiB, bios boot 1.0 MiB, unknown 1.0 MiB, crypto_LUKS 1.0 MiB, 512 MiB in use"},
	} {
		if got := test.l.Summary(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
