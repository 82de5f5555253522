package layout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// table makes a disk with a partition table by a script for sfdisk.
func table(t testing.TB, size int64, sector int, script string) string {
	t.Helper()
	path := maptest.File(t, size)
	sfdisk(t, path, sector, script, "-q")
	return path
}

// sfdisk runs it on a disk, which for sectors of other than 512 bytes has to
// be a device.
func sfdisk(t testing.TB, path string, sector int, script string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("sfdisk"); err != nil {
		t.Skip("no sfdisk here")
	}
	disk := path
	if sector != 512 {
		if os.Geteuid() != 0 {
			t.Skip("loop devices need root")
		}
		disk = strings.TrimSpace(maptest.Tool(t, "losetup", "--find", "--show", "--sector-size", fmt.Sprint(sector), path))
		defer maptest.Tool(t, "losetup", "--detach", disk)
	}
	cmd := exec.Command("sfdisk", append(args, disk)...)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), disk, "disk")
}

// mkfs makes a filesystem in a file of its own; args end in its name.
func mkfs(t testing.TB, size int64, args ...string) string {
	t.Helper()
	path := maptest.File(t, size)
	maptest.Tool(t, args[0], append(args[1:], path)...)
	return path
}

// lived is mkfs for a filesystem that has been used.
func lived(t testing.TB, kind string, size int64, args ...string) string {
	t.Helper()
	path := mkfs(t, size, args...)
	dir, unmount := maptest.Mount(t, path, kind)
	maptest.Age(t, dir, 5, 60)
	unmount()
	return path
}

// put copies a volume into a disk, leaving out zeros.
func put(t testing.TB, disk string, off int64, volume string) {
	t.Helper()
	in, size := maptest.Open(t, volume)
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := make([]byte, 64<<10)
	zero := make([]byte, len(b))
	for at := int64(0); at < size; at += int64(len(b)) {
		n, err := in.ReadAt(b, at)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if bytes.Equal(b[:n], zero[:n]) {
			continue
		}
		if _, err := out.WriteAt(b[:n], off+at); err != nil {
			t.Fatal(err)
		}
	}
}

// write puts bytes into a file; a negative off counts from its end.
func write(t testing.TB, path string, off int64, b string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if off < 0 {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		off += info.Size()
	}
	if _, err := f.WriteAt([]byte(b), off); err != nil {
		t.Fatal(err)
	}
}

// layout reads a disk.
func layout(t testing.TB, path string, sector int) *Layout {
	t.Helper()
	f, size := maptest.Open(t, path)
	l, err := Read(context.Background(), f, size, sector)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// keep copies only what l says is used of a disk, over noise.
func keep(t testing.TB, disk string, l *Layout) string {
	t.Helper()
	return maptest.Keep(t, disk, &fsmap.Map{Size: l.Size, Used: l.Used})
}

// cut copies a range of a disk into a file.
func cut(t testing.TB, disk string, r extent.Range) string {
	t.Helper()
	f, _ := maptest.Open(t, disk)
	return save(t, io.NewSectionReader(f, r.Off, r.Len()))
}

func save(t testing.TB, r io.Reader) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cut")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree mounts a volume and lists its files.
func tree(t testing.TB, volume, kind string) map[string]string {
	t.Helper()
	dir, unmount := maptest.Mount(t, volume, kind, "ro")
	defer unmount()
	return maptest.Tree(t, dir)
}
