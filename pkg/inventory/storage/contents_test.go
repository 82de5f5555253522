package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const mib = 1 << 20

// loop puts a block device on a new file.
func loop(t *testing.T, size int64, sector int, table string) (name string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a loop device needs root")
	}
	path := maptest.File(t, size)
	out, err := exec.Command("losetup", "--find", "--show", "--sector-size", fmt.Sprint(sector), path).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device here: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { maptest.Tool(t, "losetup", "--detach", dev) })
	cmd := exec.Command("sfdisk", "-q", "--no-reread", "--no-tell-kernel", dev)
	cmd.Stdin = strings.NewReader(table)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v %s", err, out)
	}
	maptest.Tool(t, "partx", "--add", dev)
	t.Cleanup(func() { maptest.Try(t, "partx", "--delete", dev) })
	return filepath.Base(dev)
}

// blkid is what libblkid says of a device.
func blkid(t *testing.T, name string) map[string]string {
	t.Helper()
	values := map[string]string{}
	out, _ := maptest.Try(t, "blkid", "-p", "-o", "udev", "/dev/"+name)
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		values[strings.TrimPrefix(key, "ID_")] = strings.ReplaceAll(value, `\x20`, " ")
	}
	return values
}

// look reads all there is.
func look(r io.ReaderAt, d hardware.Disk) (contents, error) {
	c, err := readTable(r, d)
	if err != nil {
		return c, err
	}
	return c.recognise(r, d.Size)
}

// TestContents compares with blkid what is on disks that real tools made.
func TestContents(t *testing.T) {
	for _, test := range []struct {
		sector int
		table  string
	}{
		{512, "label: gpt\nstart=2048,size=32768,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B,name=\"EFI system\"\nsize=65536\nsize=20480,name=third\n"},
		{4096, "label: gpt\nsize=8192,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nsize=8192\nsize=5120\n"},
		{512, "label: dos\nsize=32768,type=c\nsize=65536\nsize=65536,type=5\nsize=20480\nsize=4096,type=82\n"},
	} {
		t.Run(fmt.Sprint(test.sector, test.table[:11]), func(t *testing.T) {
			name := loop(t, 128*mib, test.sector, test.table)
			parts := newPlace(sysfs.Host{}, blockdev.Disk{Name: name, SysPath: "/sys/block/" + name}).partitions()
			if len(parts) < 3 {
				t.Skipf("the kernel has made no partitions: %v", parts)
			}
			maptest.Tool(t, "mkfs.vfat", "-n", "BOOT", "/dev/"+parts[0].Name)
			maptest.Tool(t, "mkfs.ext4", "-q", "-L", "root", "/dev/"+parts[1].Name)
			maptest.Tool(t, "mkswap", "-L", "swap", "/dev/"+parts[len(parts)-1].Name)

			want := blkid(t, name)
			d, err := openDevice("/dev/" + name)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			c, err := look(d, hardware.Disk{Name: name, Size: 128 * mib, Sector: test.sector, Partitions: parts})
			if err != nil {
				t.Fatal(err)
			}
			kind := map[string]string{"gpt": "gpt", "dos": "mbr"}[want["PART_TABLE_TYPE"]]
			if c.table != kind || c.id != want["PART_TABLE_UUID"] || len(c.partitions) != len(parts) {
				t.Fatalf("%+v, blkid has %+v", c, want)
			}
			for i, part := range parts {
				w := blkid(t, part.Name)
				number := func(key string) (n int64) { fmt.Sscan(w[key], &n); return n }
				p := hardware.Partition{
					ID: w["PART_ENTRY_NUMBER"], Name: part.Name, Start: number("PART_ENTRY_OFFSET") * 512, Size: number("PART_ENTRY_SIZE") * 512,
					Type: strings.TrimPrefix(w["PART_ENTRY_TYPE"], "0x"), UUID: w["PART_ENTRY_UUID"], Label: w["PART_ENTRY_NAME"],
				}
				if len(p.Type) == 1 {
					p.Type = "0" + p.Type
				}
				if w["FS_TYPE"] != "" {
					p.Filesystem = &hardware.Filesystem{Type: w["FS_TYPE"], UUID: w["FS_UUID"], Label: w["FS_LABEL"]}
				}
				if diff := cmp.Diff(p, c.partitions[i]); diff != "" {
					t.Errorf("partition %s (-blkid +got):\n%s", part.Name, diff)
				}
			}
		})
	}
}

// TestWhole has a filesystem without a table, in a file in the place of a disk.
func TestWhole(t *testing.T) {
	m := machine{}
	m.disk("vda", "pci0000:00/0000:00:03.0/virtio1", fmt.Sprint(8*mib/512), map[string]string{"serial": "one"})
	m["dev/vda"] = ""
	h := tree(t, m)
	if err := os.Truncate(h.Path("/dev/vda"), 8*mib); err != nil {
		t.Fatal(err)
	}
	maptest.Tool(t, "mkfs.ext4", "-q", "-L", "whole", "-U", "01234567-89ab-cdef-0123-456789abcdef", h.Path("/dev/vda"))
	disks, err := Disks(context.Background(), h)
	if err != nil || len(disks) != 1 {
		t.Fatal(disks, err)
	}
	if diff := cmp.Diff(&hardware.Filesystem{Type: "ext4", UUID: "01234567-89ab-cdef-0123-456789abcdef", Label: "whole"}, disks[0].Filesystem); diff != "" {
		t.Error(diff)
	}
}

// TestBadSectors keeps what can be read.
func TestBadSectors(t *testing.T) {
	b := make([]byte, 4*mib)
	copy(b[440:], "\x78\x56\x34\x12")
	copy(b[446:], "\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00") // 1 MiB at 1 MiB
	copy(b[462:], "\x00\x00\x00\x00\x82\x00\x00\x00\x00\x10\x00\x00\x00\x08\x00\x00") // 1 MiB at 2 MiB
	b[510], b[511] = 0x55, 0xaa
	copy(b[mib:], "XFSB")
	bad := errors.New("bad sector")
	r := holes{bytes.NewReader(b), 2 * mib, bad}
	c, err := look(r, hardware.Disk{Size: 4 * mib, Sector: 512, Partitions: []hardware.Partition{{ID: "1", Name: "sda1"}}})
	if !errors.Is(err, bad) || !strings.HasPrefix(err.Error(), "partition 2: ") {
		t.Errorf("error %v", err)
	}
	want := contents{"mbr", "12345678", nil, []hardware.Partition{
		{ID: "1", Name: "sda1", Start: mib, Size: mib, Type: "83", UUID: "12345678-01", Filesystem: &hardware.Filesystem{Type: "xfs"}},
		{ID: "2", Start: 2 * mib, Size: mib, Type: "82", UUID: "12345678-02"},
	}}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(contents{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	kernels := []hardware.Partition{{ID: "1", Name: "sda1", Start: 5, Size: 6}}
	c, err = look(holes{bytes.NewReader(b), 0, bad}, hardware.Disk{Size: 4 * mib, Sector: 512, Partitions: kernels})
	if !errors.Is(err, bad) || c.table != "" || cmp.Diff(kernels, c.partitions) != "" {
		t.Errorf("%+v, %v", c, err)
	}

	// A GPT of which only the protective part is there.
	clear(b[446:510])
	copy(b[446:], "\x00\x00\x00\x00\xee\x00\x00\x00\x01\x00\x00\x00\xff\xff\x00\x00")
	c, err = look(bytes.NewReader(b), hardware.Disk{Size: 4 * mib, Sector: 512, Partitions: kernels})
	if err == nil || !strings.HasPrefix(err.Error(), "read partition table: gpt header") || c.table != "gpt" || cmp.Diff(kernels, c.partitions) != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

// holes is a disk that cannot be read in the MiB from a place on.
type holes struct {
	io.ReaderAt
	from int64
	err  error
}

func (h holes) ReadAt(b []byte, off int64) (int, error) {
	if off < h.from+mib && off+int64(len(b)) > h.from {
		return 0, h.err
	}
	return h.ReaderAt.ReadAt(b, off)
}

// TestThisMachine asks the disks of the machine that the test runs on.
func TestThisMachine(t *testing.T) {
	disks, err := Disks(context.Background(), sysfs.Host{})
	t.Logf("%d disks, %v", len(disks), err)
	for _, d := range disks {
		if d.ID == "" || d.Name == "" || d.Size <= 0 {
			t.Errorf("odd disk %+v", d)
		}
		b, _ := json.Marshal(d)
		t.Logf("%s", b)
	}
}

// TestManyPartitions has a table with more than Linux takes.
func TestManyPartitions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4*mib); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("label: gpt\ntable-length: 1024\ngrain: 512\n")
	for i := range 300 {
		fmt.Fprintf(&script, "start=%d,size=1\n", 2048+i)
	}
	c := exec.Command("sfdisk", "-q", name)
	c.Stdin = strings.NewReader(script.String())
	if out, err := c.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("sfdisk is not installed")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := readTable(f, hardware.Disk{Size: 4 * mib, Sector: 512})
	if err == nil || !strings.Contains(err.Error(), "the first 256 of 300 partitions") || got.table != "gpt" || len(got.partitions) != 256 {
		t.Errorf("%s with %d partitions, %v", got.table, len(got.partitions), err)
	}
}
