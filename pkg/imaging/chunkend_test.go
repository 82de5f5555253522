package imaging

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// oldGolden is a golden as the writers of version 1 would have made it, which does
// not tell of what is free at the end of the disk.
func oldGolden(t testing.TB, name string, counted bool) (g golden, file []byte) {
	t.Helper()
	for _, g := range readGoldens(t) {
		if g.name() == name {
			return g, ndztest.Version1(g.read(t), counted)
		}
	}
	t.Fatalf("there is no %s", name)
	return
}

// The last partition of a disk ends with free space, as most do, of which an image
// of version 1 does not tell.
func TestVersion1OfDisks(t *testing.T) {
	for _, name := range []string{"mbr-ext234-swap-2011.ndz", "mbr-extended-2011.ndz"} {
		for _, counted := range []bool{false, true} {
			g, file := oldGolden(t, name, counted)
			for _, way := range allWays[:4] {
				o := from(t, way, name, file)
				o.Disk, o.Verify = filepath.Join(t.TempDir(), "disk"), VerifyDisk
				r, err := write1(t, o)
				if err != nil {
					t.Errorf("%s, counted %v, %s: %v", name, counted, way, err)
					continue
				}
				if got := sum(bytesOf(t, o.Disk)); got != g.Zero.SHA256 || r.Bytes != g.Zero.Size {
					t.Errorf("%s, %s: %d bytes, %s, want %d, %s", name, way, r.Bytes, got, g.Zero.Size, g.Zero.SHA256)
				}
			}
		}
	}
}

// The same by multicast alone.
func TestSoloVersion1(t *testing.T) {
	g, file := oldGolden(t, "mbr-ext234-swap-2011.ndz", true)
	c := newClassroom(t, nil, lab.Options{})
	c.serve(bytes.NewReader(file), int64(len(file)), 0)
	o := c.alone(filepath.Join(t.TempDir(), "disk"))
	r := c.write(o)
	if got := sum(bytesOf(t, o.Disk)); got != g.Zero.SHA256 || r.Bytes != g.Zero.Size {
		t.Errorf("%d bytes, %s, want %d, %s", r.Bytes, got, g.Zero.Size, g.Zero.SHA256)
	}
}

// Where nothing says how many chunks there are, a missing one shows by the
// filesystem.
func TestVersion1Cut(t *testing.T) {
	for _, counted := range []bool{false, true} {
		_, file := oldGolden(t, "ext2-fragmented-v3.ndz", counted)
		for _, way := range allWays[:2] {
			o := from(t, way, "x.ndz", file[:len(file)-ndz.ChunkSize])
			o.Disk = filepath.Join(t.TempDir(), "disk")
			_, err := write1(t, o)
			var short *ShortImageError
			if found := errors.As(err, &short) || errors.Is(err, ndz.ErrTruncated); !found {
				t.Errorf("counted %v, %s: %v", counted, way, err)
			}
		}
	}
}

// A disk that fails is not blamed on the image.
func TestChunksDiskFails(t *testing.T) {
	file := chunkImage(t, gptImage(t, size, 512), extent.NewSet(extent.Range{End: size}))
	for _, way := range allWays[:2] {
		m, s := memory(make([]byte, size))
		m.fail = badAt(5*mib, size-2*mib, "write")
		o := from(t, way, "x.ndz", file)
		o.Disk, o.FileSize, o.seam = store(t, "disk", nil), size, s
		_, err := write1(t, o)
		broke(t, err, "write bytes")
		if strings.Contains(err.Error(), "chunk") || strings.Contains(err.Error(), "image "+o.Source) {
			t.Errorf("%s: %v", way, err)
		}
	}
}
