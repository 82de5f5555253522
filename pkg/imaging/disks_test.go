package imaging

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm/lvmtest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// small gives a filesystem in another size.
func small(t testing.TB, name string, size int64) filesystem {
	f := named(t, name)
	f.size = size
	return f
}

// placed is a filesystem in a partition.
type placed struct {
	filesystem
	part partition.Partition
	tree map[string]string
}

// partitioned makes a disk of size MiB as sfdisk's script says, with
// filesystems in its partitions. It is a loop device where its sectors are not
// of 512 bytes.
func partitioned(t testing.TB, size int64, sector int, script string, parts map[int]filesystem) (disk string, in []placed) {
	t.Helper()
	disk = attached(t, noise(t, size*mib), sector)
	clearHead(t, disk)
	maptest.Tool(t, "sh", "-c", fmt.Sprintf("printf %q | sfdisk -q --no-reread --no-tell-kernel --wipe always %s", script, disk))
	for number, f := range parts {
		volume, tree := f.make(t, uint64(number))
		p := partitionOf(t, disk, sector, number)
		if p.Size < f.size*mib {
			t.Fatalf("partition %d has only %d bytes", number, p.Size)
		}
		copyTo(t, disk, p.Start, volume)
		in = append(in, placed{f, p, tree})
	}
	return disk, in
}

// attached is a file as a loop device, if that is what its sectors need.
func attached(t testing.TB, file string, sector int) string {
	t.Helper()
	if sector == 512 {
		return file
	}
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", "-P", "-b", strconv.Itoa(sector), file))
	t.Cleanup(func() { maptest.Tool(t, "losetup", "-d", dev) })
	return dev
}

func partitionOf(t testing.TB, disk string, sector, number int) partition.Partition {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := partition.Read(f, sector)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := table.Partition(number)
	if !ok {
		t.Fatalf("no partition %d: %s", number, table.Summary())
	}
	return p
}

// copyTo writes a file into a disk.
func copyTo(t testing.TB, disk string, off int64, file string) {
	t.Helper()
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, _ := maptest.Open(t, file)
	if _, err := io.Copy(io.NewOffsetWriter(out, off), in); err != nil {
		t.Fatal(err)
	}
	if err := out.Sync(); err != nil { // a direct read is to see it
		t.Fatal(err)
	}
}

// cutOut is a part of a disk as a file.
func cutOut(t testing.TB, disk string, off, size int64) string {
	t.Helper()
	in, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := maptest.File(t, size)
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(in, off, size)); err != nil {
		t.Fatal(err)
	}
	return path
}

// intact checks the filesystems on a disk.
func intact(t testing.TB, disk string, in []placed) {
	t.Helper()
	for _, p := range in {
		volume := cutOut(t, disk, p.part.Start, p.size*mib)
		p.check(t, volume)
		if diff := cmp.Diff(p.tree, p.filesystem.tree(t, volume)); diff != "" {
			t.Errorf("partition %d, %s (-saved +written):\n%s", p.part.Number, p.name, diff)
		}
	}
}

const logicals = `label: dos\nstart=2048,size=20M,type=6\nsize=30M,type=83,bootable\ntype=5\nsize=40M,type=83\nsize=20M,type=82\nsize=34M,type=7\n`

func TestRoundTripDisks(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts several filesystems a disk")
	}
	gpt := func(fat string) (int64, string, map[int]filesystem) {
		esp := small(t, "fat16", 20)
		esp.mkfs += fat
		return 128, `label: gpt\nsize=20M,type=U\nsize=60M\nsize=16M,type=S\nsize=24M\n`,
			map[int]filesystem{1: esp, 2: small(t, "ext4", 48), 3: small(t, "swap", 16), 4: small(t, "ext2", 24)}
	}
	for _, c := range []struct {
		name   string
		sector int
		disk   func() (int64, string, map[int]filesystem)
		dest   func(size int64, sector int) string
	}{
		{"MBR", 512, func() (int64, string, map[int]filesystem) {
			return 160, logicals, map[int]filesystem{
				1: small(t, "fat16", 20), 2: small(t, "ext2", 30), 5: small(t, "ext4", 40), 6: small(t, "swap", 20), 7: small(t, "ntfs", 34),
			}
		}, nil},
		{"GPT of 512", 512, func() (int64, string, map[int]filesystem) { return gpt("") }, nil},
		{"GPT of 4096", 4096, func() (int64, string, map[int]filesystem) { return gpt(" -S 4096 -s 1") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, script, parts := c.disk()
			if c.sector == 4096 {
				parts[1] = small(t, "ext3", 20) // mtools know sectors of 512 bytes only
				parts[4] = small(t, "ext4", 24) // blocks must not be smaller than sectors
				f := parts[1]
				f.mkfs += " -b 4096"
				parts[1] = f
				f = parts[4]
				f.mkfs += " -b 4096"
				parts[4] = f
			}
			disk, in := partitioned(t, size, c.sector, script, parts)
			img := filepath.Join(t.TempDir(), "x.img.zst")
			saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img})
			if err != nil {
				t.Fatal(err)
			}
			x := indexOf(t, img)
			if len(x.Meta.Notes) > 0 || saved.Used > saved.Bytes*2/3 || x.Sector != c.sector {
				t.Errorf("it was not understood: %+v, %v", x.Meta, saved)
			}
			zstdTool(t, img, disk, x)
			dest := attached(t, noise(t, size*mib), c.sector)
			if _, err := write1(t, WriteOptions{Source: img, Disk: dest, Verify: VerifyDisk}); err != nil {
				t.Fatal(err)
			}
			usedSame(t, dest, disk, x.Used)
			intact(t, dest, in)
			if got, want := maptest.Tool(t, "sfdisk", "-d", dest), maptest.Tool(t, "sfdisk", "-d", disk); strings.ReplaceAll(got, dest, disk) != want {
				t.Errorf("sfdisk says\n%s, of what was saved\n%s", got, want)
			}
			for _, d := range []string{dest, disk} {
				if r, err := write1(t, WriteOptions{Source: img, Disk: d}); err != nil || r.Written != 0 {
					t.Errorf("writing to %s again: %v, %v", d, r, err)
				}
			}
			if c.sector == 4096 { // a file says nothing of its sectors, but its table does
				file, again := cutOut(t, disk, 0, size*mib), filepath.Join(t.TempDir(), "y.img.zst")
				if _, err := Save(t.Context(), SaveOptions{Disk: file, Dest: again}); err != nil {
					t.Fatal(err)
				}
				if y := indexOf(t, again); y.Sector != 4096 || !y.Used.Equal(x.Used) {
					t.Errorf("of a file %d bytes are in use, sectors of %d, want %d", y.Used.Len(), y.Sector, x.Used.Len())
				}
			}
		})
	}
}

// Logical volumes are saved by what is in use of them.
func TestRoundTripLVM(t *testing.T) {
	disk := noise(t, 160*mib)
	clearHead(t, disk)
	l := lvmtest.New(t, lvmtest.Slice{File: disk})
	l.Group("orbit")
	l.Volume("orbit", "root", 16)
	l.Volume("orbit", "data", 12)
	l.Close()
	parts := map[string]filesystem{"root": small(t, "ext4", 64), "data": small(t, "ext2", 48)}
	trees := map[string]map[string]string{}
	volumes := func(path string, use func(lv *lvm.LV, f filesystem)) {
		file, size := maptest.Open(t, path)
		v, err := lvm.Read(file, size)
		if err != nil {
			t.Fatal(err)
		}
		for i := range v.LVs {
			use(&v.LVs[i], parts[v.LVs[i].Name])
		}
	}
	volumes(disk, func(lv *lvm.LV, f filesystem) {
		if len(lv.Pieces) != 1 {
			t.Fatalf("%s is in %d pieces", lv.Name, len(lv.Pieces))
		}
		volume, tree := f.make(t, 77)
		trees[lv.Name] = tree
		copyTo(t, disk, lv.Allocated().Ranges()[0].Off, volume)
	})
	img, dest := filepath.Join(t.TempDir(), "x.img.zst"), noise(t, 160*mib)
	saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img})
	if err != nil {
		t.Fatal(err)
	}
	if len(saved.Notes) > 0 || saved.Used > saved.Bytes/2 {
		t.Errorf("it was not understood: %v, %v", saved, saved.Notes)
	}
	zstdTool(t, img, disk, indexOf(t, img))
	if _, err := write1(t, WriteOptions{Source: img, Disk: dest}); err != nil {
		t.Fatal(err)
	}
	lvmtest.New(t, lvmtest.Slice{File: dest}).Run("vgck", "orbit")
	volumes(dest, func(lv *lvm.LV, f filesystem) {
		volume := cutOut(t, dest, lv.Allocated().Ranges()[0].Off, f.size*mib)
		f.check(t, volume)
		if diff := cmp.Diff(trees[lv.Name], f.tree(t, volume)); diff != "" {
			t.Errorf("%s (-saved +written):\n%s", lv.Name, diff)
		}
	})
}
