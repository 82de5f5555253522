package imagefile

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

const mib = 1 << 20

// tool runs a program, or skips the test where it is not installed.
func tool(t testing.TB, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// rawDisk is a GPT disk with one ext4 full of files, and with rubbish wherever
// nothing is in use.
func rawDisk(t testing.TB, sector int) (path string, content []byte, used extent.Set) {
	t.Helper()
	const size, start = 24 * mib, mib
	dir := t.TempDir()
	path = filepath.Join(dir, "disk.raw")
	g, err := partition.NewGPT(size, sector, partition.GUID{1}, []partition.Entry{{Type: partition.LinuxRoot, ID: partition.GUID{2}, Name: "root"}})
	if err != nil {
		t.Fatal(err)
	}
	disk := make([]byte, size)
	for _, p := range g.Pieces() {
		copy(disk[p.Off:], p.Data)
	}
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"large": 5 * mib, "small": 100} {
		if err := os.WriteFile(filepath.Join(files, name), noise(n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fs := filepath.Join(dir, "fs")
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", files, fs, "20M")
	b, err := os.ReadFile(fs)
	if err != nil {
		t.Fatal(err)
	}
	copy(disk[start:], b)
	l, err := layout.Read(t.Context(), bytes.NewReader(disk), size, sector)
	if err != nil || len(l.Warnings) > 0 {
		t.Fatalf("layout of the test's disk: %v, %q", err, l.Warnings)
	}
	rubbish := noise(size)
	for r := range l.Used.Complement(extent.Range{End: size}).All() {
		copy(disk[r.Off:r.End], rubbish[r.Off:])
	}
	if err := os.WriteFile(path, disk, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, disk, l.Used
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 7}).Read(b)
	return b
}

// masked is content with zeros where it is not in use.
func masked(content []byte, used extent.Set) []byte {
	b := bytes.Clone(content)
	image.Mask(used, extent.Range{End: int64(len(b))}, b)
	return b
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoded(t testing.TB, stored []byte) []byte {
	t.Helper()
	r, err := stream.NewReader(bytes.NewReader(stored), stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same fails where got is not want, and tells the first difference.
func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s differs from byte %d on: %x, want %x", what, i, got[i:min(i+16, len(got))], want[i:min(i+16, len(want))])
		}
	}
	t.Fatalf("%s has %d bytes, want %d", what, len(got), len(want))
}

// sound opens an image and checks all of it.
func sound(t testing.TB, path string) image.File {
	t.Helper()
	b := read(t, path)
	f, err := image.Open(bytes.NewReader(b), int64(len(b)))
	if err == nil {
		err = image.Check(context.Background(), f, nil)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// orbitImage saves a disk of noise and gives the path of its image.
func orbitImage(t testing.TB, size int) (path string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	content = noise(size)
	disk, path := filepath.Join(dir, "disk"), filepath.Join(dir, "disk.img.zst")
	if err := os.WriteFile(disk, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: disk, Dest: path}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(disk); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// alone fails if there are other files in a directory than those named.
func alone(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}
