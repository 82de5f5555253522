package partition

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const mib = 1 << 20

// tool runs a real partitioning program, or skips the test if there is none.
func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
			if _, err := os.Stat(dir + name); err == nil {
				path = dir + name
			}
		}
	}
	if path == "" {
		t.Skipf("%s is not installed", name)
	}
	c := exec.Command(path, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// fdisk runs commands on a disk image. Unlike sfdisk, which asks the kernel, it
// takes the sector size of a regular file from its caller.
func fdisk(t *testing.T, path string, sector int, commands string) string {
	t.Helper()
	return tool(t, commands, "fdisk", "--sector-size", fmt.Sprint(sector), path)
}

// build makes a table from a script in the language of sfdisk.
func build(t *testing.T, path string, sector int, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := fdisk(t, path, sector, "I\n"+file+"\nw\n"); !strings.Contains(out, "Script successfully applied") {
		t.Fatalf("fdisk did not take the script:\n%s", out)
	}
}

// verify lets fdisk and, at 512 bytes, sgdisk judge a GPT. With 4096-byte
// sectors sgdisk needs a device: as root it gets one.
func verify(t *testing.T, path string, sector int) {
	t.Helper()
	if out := fdisk(t, path, sector, "v\nq\n"); !strings.Contains(out, "No errors detected") || strings.Contains(out, "not on the end") || strings.Contains(out, "mismatch") {
		t.Errorf("fdisk finds fault:\n%s", out)
	}
	if sector != 512 {
		if os.Getuid() != 0 {
			t.Log("sgdisk does not judge 4096-byte sectors: a loop device needs root")
			return
		}
		path = strings.TrimSpace(tool(t, "", "losetup", "--find", "--show", "--sector-size", fmt.Sprint(sector), path))
		defer tool(t, "", "losetup", "--detach", path)
	}
	out := tool(t, "", "sgdisk", "--verify", path)
	out = strings.Replace(out, "Warning: There is a gap between the main partition table", "", 1) // the way of fdisk
	if !strings.Contains(out, "No problems found") || strings.Contains(strings.ToLower(out), "warning") {
		t.Errorf("sgdisk finds fault:\n%s", out)
	}
}

func disk(t *testing.T, size int64) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p, size); err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sameOnDisk checks that every piece is what the disk holds at its place.
func sameOnDisk(t *testing.T, f *os.File, pieces []Piece) {
	t.Helper()
	for _, p := range pieces {
		got := make([]byte, len(p.Data))
		if _, err := f.ReadAt(got, p.Off); err != nil {
			t.Fatalf("piece at %d: %v", p.Off, err)
		}
		if !bytes.Equal(got, p.Data) {
			t.Errorf("piece at %d, %d bytes: encoded differently from what the tool wrote\n%s", p.Off, len(p.Data), cmp.Diff(got, p.Data))
		}
	}
}

const gptScript = `label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=%d, size=%d, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=AAAAAAAA-0000-0000-0000-000000000001, name="ESP"
size=%d, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=AAAAAAAA-0000-0000-0000-000000000002, name="rööt", attrs="LegacyBIOSBootable"
`

func wantGPT(sector int, size int64) *Table {
	return &Table{
		Scheme: SchemeGPT, SectorSize: sector, ID: "11111111-2222-3333-4444-555555555555", End: size,
		Partitions: []Partition{
			{Number: 1, Start: mib, Size: 16 * mib, Type: ESP.String(), Name: "ESP", ID: "aaaaaaaa-0000-0000-0000-000000000001"},
			{Number: 2, Start: 17 * mib, Size: 40 * mib, Type: LinuxRoot.String(), Name: "rööt", Bootable: true, ID: "aaaaaaaa-0000-0000-0000-000000000002"},
		},
	}
}

func TestGPTOfFdisk(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			const size = 64 * mib
			path := disk(t, size)
			n := mib / sector
			build(t, path, sector, fmt.Sprintf(gptScript, n, 16*n, 40*n))
			f := open(t, path)
			got, err := Read(f, sector)
			if err != nil {
				t.Fatal(err)
			}
			opts := []cmp.Option{cmpopts.IgnoreFields(Table{}, "GPT")}
			if diff := cmp.Diff(wantGPT(sector, size), got, opts...); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if want := "GPT, 2 partitions: 1 ESP 16 MiB, 2 Linux root (x86-64) 40 MiB"; got.Summary() != want {
				t.Errorf("summary %q, want %q", got.Summary(), want)
			}
			sameOnDisk(t, f, got.GPT.Pieces())

			head := make([]byte, mib)
			f.ReadAt(head, 0)
			if ss, s := Sniff(head); ss != sector || s != SchemeGPT {
				t.Errorf("sniffed %d, %s", ss, s)
			}
			fromHead, err := ReadHead(head, sector)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, fromHead, opts...); diff != "" {
				t.Errorf("from the head (-whole +head):\n%s", diff)
			}

			// The backup alone must give the same table.
			for _, r := range got.Regions()[1:3] {
				f.WriteAt(make([]byte, r.Size), r.Offset)
			}
			if _, err := Read(f, sector); err == nil || !strings.Contains(err.Error(), "EFI PART") {
				t.Errorf("without primary header: error %v", err)
			}
			b, err := DecodeBackup(f, sector, size)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.GPT.Pieces(), b.Pieces()); diff != "" {
				t.Errorf("backup (-primary +backup):\n%s", diff)
			}
		})
	}
}

// TestMoveBackup grows a disk and lets the real tools judge.
func TestMoveBackup(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			path := disk(t, 64*mib)
			n := mib / sector
			build(t, path, sector, fmt.Sprintf(gptScript, n, 16*n, 40*n))
			const larger = 100*mib + 4096
			if err := os.Truncate(path, larger); err != nil {
				t.Fatal(err)
			}
			f := open(t, path)
			g, err := DecodeGPT(f, sector)
			if err != nil {
				t.Fatal(err)
			}
			before := g.Entries()
			old := g.Regions()
			if err := g.MoveBackup(larger); err != nil {
				t.Fatal(err)
			}
			for _, r := range old[3:] {
				f.WriteAt(make([]byte, r.Size), r.Offset)
			}
			for _, p := range g.Pieces() {
				if _, err := f.WriteAt(p.Data, p.Off); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(before, g.Entries()); diff != "" {
				t.Errorf("partitions changed (-before +after):\n%s", diff)
			}
			got, err := Read(f, sector)
			if err != nil {
				t.Fatal(err)
			}
			if got.End != larger {
				t.Errorf("end %d, want %d", got.End, larger)
			}
			verify(t, path, sector)
		})
	}
}

func TestMoveBackupTooSmall(t *testing.T) {
	id := GUID{1}
	g, err := NewGPT(64*mib, 512, id, []Entry{{Type: LinuxData, ID: GUID{2}, Size: 62 * mib}})
	if err != nil {
		t.Fatal(err)
	}
	before := g.Pieces()
	if err := g.MoveBackup(63 * mib); err == nil || !strings.Contains(err.Error(), "partition 1 ends") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, g.Pieces()); diff != "" {
		t.Errorf("failed move changed the table:\n%s", diff)
	}
	if err := g.MoveBackup(63*mib + 17*1024); err != nil {
		t.Errorf("move to the least that suffices: %v", err)
	}
}

func TestNewGPTIsWhatToolsAccept(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			const size = 200 * mib
			path := disk(t, size)
			ids := make([]GUID, 4)
			for i := range ids {
				var err error
				if ids[i], err = NewGUID(bytes.NewReader(bytes.Repeat([]byte{byte(i + 1)}, 16))); err != nil {
					t.Fatal(err)
				}
			}
			g, err := NewGPT(size, sector, ids[0], []Entry{
				{Type: BIOSBoot, ID: ids[1], Size: mib, Number: 14},
				{Type: ESP, ID: ids[2], Size: 64 * mib, Number: 15, Name: "EFI"},
				{Type: LinuxRoot, ID: ids[3], Number: 1, Name: "root"},
			})
			if err != nil {
				t.Fatal(err)
			}
			f := open(t, path)
			mbr, primary, backup := g.Encode()
			f.WriteAt(mbr, 0)
			f.WriteAt(primary, int64(sector))
			f.WriteAt(backup, size-int64(len(backup)))
			verify(t, path, sector)
			got, err := Read(f, sector)
			if err != nil {
				t.Fatal(err)
			}
			want := []Partition{
				{Number: 1, Start: 66 * mib, Size: 133 * mib, Type: LinuxRoot.String(), Name: "root", ID: "04040404-0404-4404-8404-040404040404"},
				{Number: 14, Start: mib, Size: mib, Type: BIOSBoot.String(), ID: "02020202-0202-4202-8202-020202020202"},
				{Number: 15, Start: 2 * mib, Size: 64 * mib, Type: ESP.String(), Name: "EFI", ID: "03030303-0303-4303-8303-030303030303"},
			}
			if diff := cmp.Diff(want, got.Partitions); diff != "" {
				t.Errorf("partitions (-want +got):\n%s", diff)
			}
			script := filepath.Join(t.TempDir(), "dump")
			fdisk(t, path, sector, "O\n"+script+"\nq\n")
			b, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			dump := strings.ReplaceAll(string(b), " ", "")
			for _, p := range want {
				if !strings.Contains(dump, strings.ToUpper(p.ID)) || !strings.Contains(dump, fmt.Sprintf("start=%d,", p.Start/int64(sector))) {
					t.Errorf("fdisk does not show partition %d:\n%s", p.Number, dump)
				}
			}
		})
	}
}

func TestSgdiskMovedTable(t *testing.T) {
	path := disk(t, 64*mib)
	tool(t, "", "sgdisk", "-o", "-j", "1024", "-n", "1:4096:+8M", "-c", "1:data", path)
	f := open(t, path)
	got, err := Read(f, 512)
	if err != nil {
		t.Fatal(err)
	}
	if got.GPT.Header.EntriesLBA != 1024 || len(got.Partitions) != 1 {
		t.Errorf("entries at %d, partitions %v", got.GPT.Header.EntriesLBA, got.Partitions)
	}
	sameOnDisk(t, f, got.GPT.Pieces())
}

func TestMBROfFdisk(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			const size = 128 * mib
			path := disk(t, size)
			n := mib / sector
			build(t, path, sector, fmt.Sprintf(`label: dos
label-id: 0xdeadbeef
start=%d, size=%d, type=83, bootable
start=%d, size=%d, type=5
start=%d, size=%d, type=82
start=%d, size=%d, type=83
`, n, 10*n, 11*n, 100*n, 12*n, 20*n, 40*n, 30*n))
			f := open(t, path)
			got, err := Read(f, sector)
			if err != nil {
				t.Fatal(err)
			}
			want := &Table{
				Scheme: SchemeMBR, SectorSize: sector, ID: "deadbeef", End: 111 * mib,
				Partitions: []Partition{
					{Number: 1, Start: mib, Size: 10 * mib, Type: "0x83", Bootable: true, ID: "deadbeef-01"},
					{Number: 2, Start: 11 * mib, Size: 100 * mib, Type: "0x05", ID: "deadbeef-02", Extended: true},
					{Number: 5, Start: 12 * mib, Size: 20 * mib, Type: "0x82", ID: "deadbeef-05"},
					{Number: 6, Start: 40 * mib, Size: 30 * mib, Type: "0x83", ID: "deadbeef-06"},
				},
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Table{}, "MBR")); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if want := "MBR, 3 partitions: 1 Linux 10 MiB, 5 swap 20 MiB, 6 Linux 30 MiB"; got.Summary() != want {
				t.Errorf("summary %q, want %q", got.Summary(), want)
			}
			sameOnDisk(t, f, got.MBR.Pieces())

			head := make([]byte, mib)
			f.ReadAt(head, 0)
			part, err := ReadHead(head, sector)
			if err != nil {
				t.Fatal(err)
			}
			if !part.Incomplete || part.End != got.End || len(part.Partitions) != 2 {
				t.Errorf("from the head: %+v", part)
			}
			if ss, s := Sniff(head); ss != 0 || s != SchemeMBR {
				t.Errorf("sniffed %d, %s", ss, s)
			}
		})
	}
}

func TestFileSystemsAreNoTable(t *testing.T) {
	for _, mkfs := range []struct {
		name string
		args []string
	}{
		{"mkfs.vfat", nil}, {"mkfs.ext4", []string{"-q", "-F"}}, {"mkfs.xfs", []string{"-q"}}, {"mkfs.btrfs", []string{"-q"}},
	} {
		t.Run(mkfs.name, func(t *testing.T) {
			path := disk(t, 320*mib)
			tool(t, "", mkfs.name, append(mkfs.args, path)...)
			got, err := Read(open(t, path), 512)
			if err != nil {
				t.Fatal(err)
			}
			if got.Scheme != SchemeNone {
				t.Errorf("read as %s", got.Summary())
			}
		})
	}
}
