package layout

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm/lvmtest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// ext4 makes a small one, without mounting it.
func ext4(t testing.TB, size int64) string {
	return mkfs(t, size, "mkfs.ext4", "-q", "-b", "1024", "-L", "fs")
}

// foreignTests are what signatures look like on a volume of 80 MiB; blkid says
// of each what we should.
var foreignTests = []struct {
	kind  string
	off   int64 // negative: from the end
	bytes string
	blkid string // its TYPE; empty where it wants to see more
}{
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00", "linux_raid_member"},
	{"linux_raid_member", 4096, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00" + strings.Repeat("\x00", 136) + "\x08", "linux_raid_member"},
	{"linux_raid_member", -8192, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00" + strings.Repeat("\x00", 136) + "\xf0\x7f\x02", "linux_raid_member"},
	{"linux_raid_member", -65536, "\xfc\x4e\x2b\xa9\x00\x00\x00\x00\x5a\x00\x00\x00", "linux_raid_member"},
	{"linux_raid_member", -65536, "\xa9\x2b\x4e\xfc\x00\x00\x00\x00\x00\x00\x00\x5a", ""},
	{"drbd", -4096 + 60, "\x83\x74\x02\x6b", "drbd"},
	{"drbd", -4096 + 60, "\x83\x74\x02\x6d", "drbd"},
	{"isw_raid_member", -1024, "Intel Raid ISM Cfg Sig. 1.2.00", "isw_raid_member"},
	{"ddf_raid_member", -512, "\xde\x11\xde\x11", "ddf_raid_member"},
	{"promise_fasttrack_raid_member", -63 * 512, "Promise Technology, Inc.", "promise_fasttrack_raid_member"},
	{"lsi_mega_raid_member", -512, "$XIDE$", "lsi_mega_raid_member"},
	{"nvidia_raid_member", -1024, "NVIDIA", ""},
	{"adaptec_raid_member", -512, "\x37\xfc\x4d\x1e", ""},
	{"crypto_LUKS", 0, "LUKS\xba\xbe\x00\x01", "crypto_LUKS"},
	{"bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", ""},
	{"VMFS_volume_member", 1 << 20, "\x0d\xd0\x01\xc0", "VMFS_volume_member"},
	{"VMFS", 2 << 20, "\x5e\xf1\xab\x2f", "VMFS"},
	{"ReFS", 0, "\x00\x00\x00ReFS\x00\x00\x00\x00\x00", "ReFS"},
	{"BitLocker", 0, "\xeb\x52\x90-FVE-FS-", "BitLocker"},
	{"BitLocker", 424, "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01", ""},
	{"zfs_member", 128 << 10, strings.Repeat("\x0c\xb1\xba\x00\x00\x00\x00\x00"+strings.Repeat("\x00", 1016), 5), "zfs_member"},
	{"zfs_member", -128 << 10, "\x00\x00\x00\x00\x00\xba\xb1\x0c", ""},
	{"stratis", 512 + 4, "!Stra0tis\x86\xff\x02^\x41rh", ""},
	{"iso9660", 32<<10 + 1, "CD001", ""},
	{"bsd", 512, "\x57\x45\x56\x82", ""},
	{"swsuspend", 4086, "S1SUSPEND\x00", "swsuspend"},
	{"swsuspend", 65526, "LINHIB0001", ""},
}

// TestForeign puts each of them on a blank volume and on an ext4.
func TestForeign(t *testing.T) {
	const size = 80 * mib
	fs := ext4(t, 64*mib)
	for i, test := range foreignTests {
		t.Run(fmt.Sprint(i, " ", test.kind), func(t *testing.T) {
			blank := maptest.File(t, size)
			write(t, blank, test.off, test.bytes)
			if test.blkid != "" {
				if got := strings.TrimSpace(maptest.Tool(t, "blkid", "-p", "-o", "value", "-s", "TYPE", blank)); got != test.blkid {
					t.Errorf("blkid says %q, want %q", got, test.blkid)
				}
			}
			l := layout(t, blank, 512)
			if l.Parts[0].Kind != test.kind {
				t.Errorf("kind %q: %v", l.Parts[0].Kind, l.Warnings)
			}
			put(t, blank, 0, fs)
			write(t, blank, test.off, test.bytes)
			for _, l := range []*Layout{l, layout(t, blank, 512)} {
				if l.Used.Len() != size || !l.Parts[0].Whole || len(l.Warnings) != 1 {
					t.Errorf("%d bytes used, parts %+v, warnings %q", l.Used.Len(), l.Parts, l.Warnings)
				}
			}
		})
	}
}

const twoParts = "label: dos\nstart=1MiB, size=8MiB, type=83\nstart=12MiB, size=8MiB, type=83\n"

// TestDoubt damages a disk with two partitions of an ext4 each.
func TestDoubt(t *testing.T) {
	const size = 24 * mib
	fs := ext4(t, 8*mib)
	disk := func(script string) string {
		d := table(t, size, 512, script)
		put(t, d, mib, fs)
		put(t, d, 12*mib, fs)
		return d
	}
	gpt := strings.Replace(twoParts, "dos", "gpt", 1)
	gpt = strings.ReplaceAll(gpt, "type=83", "type=0FC63DAF-8483-4772-8E79-3D69D8477DE4")
	le := binary.LittleEndian
	u32 := func(n uint32) string { return string(le.AppendUint32(nil, n)) }
	for _, test := range []struct {
		name   string
		script string
		change func(disk string)
		whole  int64  // bytes that have to be used, of one partition or all
		want   string // in the only warning
	}{
		{"as it is", twoParts, func(string) {}, 0, ""},
		{"as it is, gpt", gpt, func(string) {}, 0, ""},
		{"type RAID", strings.Replace(twoParts, "type=83", "type=fd", 1), func(string) {}, 8 * mib, "partition 1: what its type promises"},
		{"type FreeBSD", strings.Replace(twoParts, "type=83", "type=a5", 1), func(string) {}, 8 * mib, "partition 1: what its type"},
		{"mirror", twoParts, func(d string) { write(t, d, 20*mib-8192, "\xfc\x4e\x2b\xa9") }, 8 * mib, "partition 2 (linux_raid_member): is a member of an md RAID, and looks like ext4 too; saved whole"},
		{"mirror of the disk", twoParts, func(d string) { write(t, d, size-8192, "\xfc\x4e\x2b\xa9") }, size, "it has partitions, and is a member of an md RAID too"},
		{"LUKS", twoParts, func(d string) { write(t, d, mib, "LUKS\xba\xbe\x00\x01") }, 8 * mib, "partition 1 (crypto_LUKS): is encrypted, and looks like ext4 too; saved whole"},
		{"a disk in a partition", twoParts, func(d string) {
			write(t, d, mib+446+4, "\x83\x00\x00\x00"+u32(2048)+u32(2048))
			write(t, d, mib+510, "\x55\xaa")
		}, 8 * mib, "partition 1: is a disk with partitions of its own, and looks like ext4 too; saved whole"},
		{"an empty boot sector", twoParts, func(d string) { write(t, d, mib+510, "\x55\xaa") }, 0, ""},
		{"two filesystems", twoParts, func(d string) {
			write(t, d, mib+4086, "SWAPSPACE2")
		}, 8 * mib, "looks like"},
		{"damaged filesystem", twoParts, func(d string) { write(t, d, mib+1024+4, "\x01\x00") }, 8 * mib, "partition 1 (ext4): "},
		{"filesystem larger than its partition", twoParts, func(d string) { write(t, d, 446+12, u32(6*2048)) }, 6 * mib, "partition 1 (ext4): "},
		{"noise", twoParts, func(d string) { write(t, d, mib+1024, strings.Repeat("\xaa", 1024)) }, 8 * mib, "partition 1: nothing that is known is in it; saved whole"},
		{"suspended", twoParts, func(d string) { write(t, d, 12*mib+4086, "S1SUSPEND") }, size, "a suspended system lies in a swap area, partition 2"},
		{"overlap", twoParts, func(d string) { write(t, d, 446+12, u32(14*2048)) }, size, "partition 1 and partition 2 overlap"},
		{"over the table", twoParts, func(d string) { write(t, d, 446+8, u32(0)) }, size, "overlap"},
		{"outside", twoParts, func(d string) { write(t, d, 446+16+12, u32(14*2048)) }, size, "not within the disk"},
		{"endless chain", twoParts, func(d string) {
			write(t, d, 446+16+4, "\x05")
			write(t, d, 12*mib, strings.Repeat("\x00", 446+4)+"\x05\x00\x00\x00"+u32(0)+u32(2048))
			write(t, d, 12*mib+510, "\x55\xaa")
		}, size, "loops"},
		{"filesystem beside partitions", twoParts, func(d string) { put(t, d, 1024, cut(t, fs, extent.Range{Off: 1024, End: 2048})) }, size, "a filesystem too"},
		{"gpt header", gpt, func(d string) { write(t, d, 512+16, "\x00\x00\x00\x00") }, size, "gpt header"},
		{"gpt entries", gpt, func(d string) { write(t, d, 1024+128+32, "\x01") }, size, "gpt entries"},
		{"gpt of a larger disk", gpt, func(d string) {
			f, _ := maptest.Open(t, d)
			h := make([]byte, 512)
			if _, err := f.ReadAt(h, 512); err != nil {
				t.Fatal(err)
			}
			le.PutUint64(h[32:], size/512+100)
			le.PutUint64(h[48:], size/512)
			le.PutUint32(h[16:], 0)
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
			write(t, d, 512, string(h))
		}, size, "not within the disk"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := disk(test.script)
			test.change(d)
			l := layout(t, d, 512)
			used := l.Used.Len()
			if used < test.whole || test.whole < size && used > test.whole+12*mib {
				t.Errorf("%d bytes used, want %d and a few", used, test.whole)
			}
			switch {
			case test.want == "" && len(l.Warnings) == 0:
			case test.want != "" && len(l.Warnings) == 1 && strings.Contains(l.Warnings[0], test.want):
			default:
				t.Errorf("warnings %q, want %q", l.Warnings, test.want)
			}
			sum, all := int64(0), true
			for _, p := range l.Parts {
				sum += p.Used
				all = all && p.Whole
			}
			if sum > used || all != (test.whole == size) {
				t.Errorf("parts use %d of %d bytes: %+v", sum, used, l.Parts)
			}
		})
	}
}

// TestDisagreement has two physical volumes on a disk, of which one missed a
// change of their group.
func TestDisagreement(t *testing.T) {
	const size = 72 * mib
	disk := table(t, size, 512, "label: gpt\nstart=1MiB, size=32MiB, type=E6D6D379-F507-44C2-A23C-238F2A3DF928\nstart=36MiB, size=32MiB, type=E6D6D379-F507-44C2-A23C-238F2A3DF928\n")
	tools := lvmtest.New(t, lvmtest.Slice{File: disk, Off: mib, Size: 32 * mib}, lvmtest.Slice{File: disk, Off: 36 * mib, Size: 32 * mib})
	tools.Group("vg")
	tools.Volume("vg", "a", 1)
	before := cut(t, disk, extent.Range{Off: mib, End: 2 * mib})
	l := layout(t, disk, 512)
	if len(l.Parts) != 2 || l.Parts[0].Whole || l.Parts[1].Whole || len(l.Warnings) != 1 || !strings.Contains(l.Parts[1].Note, "other physical volumes") {
		t.Errorf("parts %+v, warnings %q", l.Parts, l.Warnings)
	}
	tools.Volume("vg", "b", 1)
	tools.Close()
	put(t, disk, mib, before)
	l = layout(t, disk, 512)
	if !l.Parts[0].Whole || !l.Parts[1].Whole || l.Used.Len() < 64*mib {
		t.Errorf("parts %+v, %d bytes used", l.Parts, l.Used.Len())
	}
	if !strings.Contains(strings.Join(l.Warnings, "\n"), "partition 1 (lvm2): its metadata and that of partition 2 are of different age; saved whole") {
		t.Errorf("warnings %q", l.Warnings)
	}
}

func TestBehind(t *testing.T) {
	disk := table(t, 300*mib, 512, "label: dos\nstart=1MiB, size=290MiB, type=83\n")
	put(t, disk, mib, ext4(t, 64*mib))
	l := layout(t, disk, 512)
	off := int64(mib)
	for _, r := range []extent.Range{{Off: off + 64*mib, End: off + (64+2+1)*mib}, {Off: off + 289*mib, End: off + 290*mib}} {
		if !l.Used.Contains(r) {
			t.Errorf("%v is not kept", r)
		}
	}
	if r := (extent.Range{Off: off + 67*mib, End: off + 289*mib}); l.Used.Overlaps(r) {
		t.Errorf("%v is kept", r)
	}
	if want := "it ends 226 MiB before its place does"; l.Parts[0].Note != want {
		t.Errorf("note %q, want %q", l.Parts[0].Note, want)
	}
}

func TestCancel(t *testing.T) {
	disk := table(t, 24*mib, 512, twoParts)
	put(t, disk, mib, ext4(t, 8*mib))
	f, size := maptest.Open(t, disk)
	// However far it gets, it ends with the context's error.
	for n := range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		r := &counting{f, n, cancel}
		_, err := Read(ctx, r, size, 512)
		cancel()
		if r.left > 0 {
			if err != nil || n < 20 {
				t.Fatalf("after %d reads: %v", n, err)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled after %d reads: %v", n, err)
		}
	}
	t.Error("200 reads were not enough")
}

// counting cancels after some reads.
type counting struct {
	r interface {
		ReadAt([]byte, int64) (int, error)
	}
	left   int
	cancel func()
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	if c.left--; c.left <= 0 {
		c.cancel()
	}
	return c.r.ReadAt(b, off)
}

var errDisk = errors.New("bad sector")

// bad cannot read some bytes.
type bad struct {
	counting
	extent.Range
}

func (b *bad) ReadAt(p []byte, off int64) (int, error) {
	if !(extent.Range{Off: off, End: off + int64(len(p))}).Intersect(b.Range).Empty() {
		return 0, errDisk
	}
	return b.r.ReadAt(p, off)
}

func TestBadSectors(t *testing.T) {
	disk := table(t, 24*mib, 512, twoParts)
	fs := ext4(t, 8*mib)
	put(t, disk, mib, fs)
	put(t, disk, 12*mib, fs)
	f, size := maptest.Open(t, disk)
	read := func(r extent.Range) (*Layout, error) {
		return Read(context.Background(), &bad{counting{r: f}, r}, size, 512)
	}
	if _, err := read(extent.Range{Off: 0, End: 512}); !errors.Is(err, errDisk) {
		t.Errorf("boot sector: %v", err)
	}
	for _, off := range []int64{12*mib + 1024, 12*mib + 2048, 20*mib - 512} {
		l, err := read(extent.Range{Off: off, End: off + 512})
		if err != nil {
			t.Fatal(err)
		}
		if l.Parts[0].Whole || !l.Parts[1].Whole || len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], errDisk.Error()) {
			t.Errorf("at %d: parts %+v, warnings %q", off, l.Parts, l.Warnings)
		}
	}
	if diff := cmp.Diff("mbr: ext4 8.0 MiB, ext4 8.0 MiB, ", strings.TrimRight(layout(t, disk, 512).Summary(), "0123456789. MiBinuse")+" "); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
