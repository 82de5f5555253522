package imaging

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/image"
)

// noise is a file of random bytes with a partition table: a disk that had
// another life.
func noise(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "noise")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.LimitReader(rand.NewChaCha8([32]byte{3, byte(size / mib)}), size)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(mbrImage(4 * mib)[:512], 0); err != nil {
		t.Fatal(err)
	}
	return path
}

// zstdTool holds what the zstd tool makes of an image against the disk it was
// saved from.
func zstdTool(t testing.TB, img, disk string, x *image.Index) {
	t.Helper()
	maptest.Tool(t, "zstd", "-tq", img)
	cmd := exec.Command("zstd", "-dcq", img)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	from, _ := maptest.Open(t, disk)
	got, want := make([]byte, image.Span), make([]byte, image.Span)
	for i := range x.Spans() {
		r := x.SpanRange(i)
		got, want = got[:r.Len()], want[:r.Len()]
		if _, err := from.ReadAt(want, r.Off); err != nil {
			t.Fatal(err)
		}
		x.Mask(i, want)
		if _, err := io.ReadFull(out, got); err != nil {
			t.Fatalf("zstd -dc ends in span %d: %v", i, err)
		}
		if !bytes.Equal(got, want) {
			same(t, "zstd -dc", got, want)
		}
	}
	if n, err := out.Read(got[:1]); n > 0 || err != io.EOF {
		t.Errorf("zstd -dc goes on after %d bytes: %v", x.Size, err)
	}
}

// usedSame fails where two disks differ in what is in use.
func usedSame(t testing.TB, got, want string, used extent.Set) {
	t.Helper()
	a, _ := maptest.Open(t, got)
	b, _ := maptest.Open(t, want)
	for r := range used.All() {
		for off := r.Off; off < r.End; off += mib {
			x, y := make([]byte, min(mib, r.End-off)), make([]byte, min(mib, r.End-off))
			if _, err := a.ReadAt(x, off); err != nil {
				t.Fatal(err)
			}
			if _, err := b.ReadAt(y, off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(x, y) {
				t.Fatalf("%s differs between %d and %d", got, off, off+int64(len(x)))
			}
		}
	}
}

// A filesystem on a whole disk is saved and written, and is the same one.
func TestRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts a dozen filesystems")
	}
	for i, f := range filesystems {
		if f.slow && !slow() {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			disk, tree := f.make(t, uint64(i)+40)
			img := filepath.Join(t.TempDir(), "x.img.zst")
			saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img})
			if err != nil {
				t.Fatal(err)
			}
			x := indexOf(t, img)
			if len(x.Meta.Notes) > 0 || x.Meta.Parts[0].Kind == "" || saved.Used == saved.Bytes {
				t.Errorf("it was not understood: %+v, %v", x.Meta, saved)
			}
			zstdTool(t, img, disk, x)
			if f.peer != "" {
				n := f.partclone(t, disk)
				most := 1.03 * float64(n)
				if f.size > 1024 {
					most += float64(32 * f.size) // zstd spends so much on a MiB of nothing
				}
				if float64(saved.Stored) > most {
					t.Errorf("the image has %d bytes, partclone's %d (%.3f)", saved.Stored, n, float64(saved.Stored)/float64(n))
				}
			}
			dest := noise(t, f.size*mib)
			if _, err := write1(t, WriteOptions{Source: img, Disk: dest}); err != nil {
				t.Fatal(err)
			}
			usedSame(t, dest, disk, x.Used)
			f.check(t, dest)
			if diff := cmp.Diff(tree, f.tree(t, dest)); diff != "" {
				t.Errorf("files (-saved +written):\n%s", diff)
			}
			// Where it was saved from all is there, but for zeros in the head.
			for i, most := range []int64{headSize, 0} {
				r, err := write1(t, WriteOptions{Source: img, Disk: disk})
				if err != nil || r.Written > most {
					t.Errorf("writing to where it was saved from, %d: %v, %v", i, r, err)
				}
			}
		})
	}
}
