package imaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// A filesystem on two disks is told by neither: both are saved whole, the image
// says why, and both together are the same filesystem again.
func TestRoundTripTwoDevices(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts a filesystem on two disks")
	}
	disks := []string{noise(t, 128*mib), noise(t, 128*mib)}
	for _, disk := range disks {
		clearHead(t, disk)
	}
	maptest.Tool(t, "mkfs.btrfs", append([]string{"-q", "-f", "-m", "raid1", "-d", "raid1"}, disks...)...)
	var tree map[string]string
	together(t, disks, "rw", func(dir string) {
		maptest.Age(t, dir, 61, 150)
		tree = maptest.Tree(t, dir)
	})
	written := make([]string, len(disks))
	for i, disk := range disks {
		img := filepath.Join(t.TempDir(), "x.img.zst")
		r, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img})
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(indexOf(t, img).Meta.Notes, "\n"); !strings.Contains(notes, "spans 2 devices") || r.Used != r.Bytes {
			t.Errorf("disk %d: %d of %d bytes are in use, notes: %s", i, r.Used, r.Bytes, notes)
		}
		written[i] = noise(t, 128*mib)
		if _, err := write1(t, WriteOptions{Source: img, Disk: written[i]}); err != nil {
			t.Fatal(err)
		}
	}
	together(t, written, "ro", func(dir string) {
		if diff := cmp.Diff(tree, maptest.Tree(t, dir)); diff != "" {
			t.Errorf("files (-saved +written):\n%s", diff)
		}
	})
}

// together calls g with the directory where a btrfs of several files is
// mounted, which is checked afterwards.
func together(t testing.TB, files []string, option string, g func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	var devs []string
	for _, file := range files {
		dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", file))
		defer detach(t, dev, file)
		defer maptest.Tool(t, "btrfs", "device", "scan", "--forget", dev) // the kernel remembers it
		devs = append(devs, dev)
		option += ",device=" + dev
	}
	dir := t.TempDir()
	maptest.Tool(t, "mount", "-t", "btrfs", "-o", option, devs[0], dir)
	func() {
		defer maptest.Tool(t, "umount", dir)
		g(dir)
	}()
	maptest.Tool(t, "btrfs", "check", "--readonly", devs[0])
}
