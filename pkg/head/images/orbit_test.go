package images

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// diskOf is a disk of some spans, each of which is as its number says; 0 is empty.
func diskOf(spans ...int) []byte {
	var disk []byte
	for _, n := range spans {
		span := make([]byte, image.Span)
		if n != 0 {
			rand.NewChaCha8([32]byte{byte(n)}).Read(span[:4096])
		}
		disk = append(disk, span...)
	}
	return disk
}

// pack makes the Orbit image of a disk, where there is a parent the difference
// to it.
func pack(t *testing.T, disk []byte, parent *image.Index) ([]byte, *image.Index) {
	t.Helper()
	p, err := image.NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x := image.Index{Size: int64(len(disk)), Sector: 512, Used: extent.NewSet(extent.Range{End: int64(len(disk))})}
	if parent != nil {
		root := parent.Root()
		x.Meta.Parent = &root
	}
	var out bytes.Buffer
	w, err := image.NewWriter(&out, x)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Spans() {
		r := x.SpanRange(i)
		packed := p.Pack(nil, disk[r.Off:r.End])
		if parent != nil && i < parent.Spans() && packed.Kind == image.Data && parent.Find(i).Digest == packed.Digest {
			packed = image.Packed{Kind: image.Inherited, Digest: packed.Digest}
		}
		if err := w.Append(packed); err != nil {
			t.Fatal(err)
		}
	}
	index, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), index
}

// put stores an image as a client would.
func put(t *testing.T, s *Store, name string, data []byte) error {
	t.Helper()
	u, err := s.Begin(name, int64(len(data)), "", func() {})
	if err == nil {
		_, err = u.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = u.Commit(t.Context(), "")
	return err
}

func openOrbit(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenOrbit(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noTraces fails if anything but the named files lies in the store.
func noTraces(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		known := strings.HasSuffix(e.Name(), jsonSuffix) // remembers that an upload is complete
		for _, n := range names {
			known = known || e.Name() == n || e.Name() == n+sidecar
		}
		if !known {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func zstdOf(t *testing.T, disk []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := stream.NewWriter(&out, 1, 1)
	if err == nil {
		_, err = z.Write(disk)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// flip changes a byte, counted from the end where i is negative.
func flip(data []byte, i int) []byte {
	data = bytes.Clone(data)
	if i < 0 {
		i += len(data)
	}
	data[i] ^= 0x40
	return data
}

// mbrOf is a disk whose MBR speaks of so many sectors.
func mbrOf(sectors uint32, size int) []byte {
	disk := make([]byte, size)
	e := disk[446:]
	e[4], e[9] = 0x83, 8 // from sector 2048
	n := sectors - 2048
	e[12], e[13], e[14], e[15] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

func TestVerifyOrbit(t *testing.T) {
	disk := diskOf(1, 0, 0, 2, 3)
	good, index := pack(t, disk, nil)
	plain := zstdOf(t, disk)
	noFooter := bytes.Clone(good)
	clear(noFooter[len(good)-64:])
	for _, test := range []struct {
		name, file string
		data       []byte
		want       string // part of the reason, "" for accepted
	}{
		{"sound", "a.img.zst", good, ""},
		{"under another name", "a", good, ""},
		{"a bit of a span", "a.img.zst", flip(good, 2000), "span 0"},
		{"a bit of the last span", "a", flip(good, int(index.DataEnd())-100), "span 4"},
		{"a bit of the index", "a", flip(good, -100), "damaged"},
		{"a bit of the footer", "a", flip(good, -20), "damaged"},
		{"bytes in between", "a", append(bytes.Clone(good[:100]), good[90:]...), "file of"},
		{"its footer is zeros", "a.img.zst", noFooter, "frame of an Orbit image's index"},
		{"cut in the index", "a.img.zst", good[:len(good)-70], "ends"},
		{"plain zstd", "a.img.zst", plain, ""},
		{"plain zstd, a bit", "a.img.zst", flip(plain, 3000), "zstd"},
		{"plain zstd, cut", "a", plain[:len(plain)-5], "ends"},
		{"plain zstd and more", "a", append(bytes.Clone(plain), "garbage"...), "follow"},
		{"plain zstd, whole disk", "a.img.zst", zstdOf(t, mbrOf(6*2048, 6<<20)), ""},
		{"plain zstd, cut disk", "a.img.zst", zstdOf(t, mbrOf(6*2048, 5<<20)), "its disk ends at byte 5242880"},
		{"no zstd at all", "a.img.zst", []byte("<html>not found</html>"), "does not begin as a zstd file"},
		{"nothing", "a.zst", nil, "does not begin as a zstd file"},
		{"raw", "a.img", disk, ""},
		{"raw, cut", "b.raw", mbrOf(6*2048, 5<<20), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openOrbit(t, dir)
			err := put(t, s, test.file, test.data)
			if test.want == "" {
				if err != nil || contents(t, s, test.file) != string(test.data) {
					t.Fatalf("refused: %v", err)
				}
				noTraces(t, dir, test.file)
				return
			}
			var reject *RejectError
			if !errors.As(err, &reject) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want a RejectError with %q", err, test.want)
			}
			noTraces(t, dir)
		})
	}
}

func TestAssembleOrbit(t *testing.T) {
	dir := t.TempDir()
	s := openOrbit(t, dir)
	base, baseIndex := pack(t, diskOf(1, 2, 0, 3), nil)
	disk := diskOf(1, 9, 4, 3, 5)
	part, partIndex := pack(t, disk, baseIndex)
	whole, _ := pack(t, disk, nil)
	if !partIndex.Partial() || len(part) >= len(whole) {
		t.Fatalf("the difference has %d bytes, the whole image %d", len(part), len(whole))
	}

	var missing *ParentError
	if err := put(t, s, "new.img.zst", part); !errors.As(err, &missing) || missing.Root != baseIndex.Root() {
		t.Errorf("without the parent: %v", err)
	}
	noTraces(t, dir)

	if err := put(t, s, "other.img.zst", zstdOf(t, disk)); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "base.img.zst", base); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new.img.zst", "base.img.zst"} { // the last one in place of its parent
		if err := put(t, s, name, part); err != nil {
			t.Fatal(err)
		}
		stored := []byte(contents(t, s, name))
		x, err := image.ReadIndex(bytes.NewReader(stored), int64(len(stored)))
		if err != nil || x.Partial() || x.Root() != partIndex.Root() || s.RootOf(name) != partIndex.Root().String() {
			t.Errorf("%s: root %v, %v; want %v", name, s.RootOf(name), err, partIndex.Root())
		}
		if got := unzstd(t, stored); !bytes.Equal(got, disk) {
			t.Errorf("%s is not the disk that was saved", name)
		}
	}
	noTraces(t, dir, "new.img.zst", "base.img.zst", "other.img.zst")
}

// A small difference does not get a whole image past the limit of the store:
// neither one that is much too large, of which nothing is written, nor one
// that only its index makes too large.
func TestAssembleLimit(t *testing.T) {
	base, baseIndex := pack(t, diskOf(1, 2, 3, 4, 5), nil)
	disk := diskOf(1, 2, 3, 4, 6)
	part, _ := pack(t, disk, baseIndex)
	dir := t.TempDir()
	if err := put(t, openOrbit(t, dir), "base.img.zst", base); err != nil {
		t.Fatal(err)
	}
	if err := put(t, openOrbit(t, dir), "new.img.zst", part); err != nil {
		t.Fatal(err)
	}
	size := int64(len(contents(t, openOrbit(t, dir), "new.img.zst")))
	for _, most := range []int64{size / 2, size - 1, size} {
		if most < int64(len(part)) {
			t.Fatalf("the difference has %d bytes, the limit is %d", len(part), most)
		}
		s, err := OpenOrbit(dir, Options{MaxSize: most})
		if err != nil {
			t.Fatal(err)
		}
		err = put(t, s, "another.img.zst", part)
		if most == size {
			if err != nil {
				t.Errorf("%d bytes of %d: %v", size, most, err)
			}
			continue
		}
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Limit != most || !strings.Contains(err.Error(), "with its parent base.img.zst") {
			t.Errorf("%d bytes of %d: %v, want a LimitError", size, most, err)
		}
		noTraces(t, dir, "base.img.zst", "new.img.zst")
	}
}

func unzstd(t *testing.T, stored []byte) []byte {
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

// TestDamagedParent has the image that spans are taken from rot in the store.
func TestDamagedParent(t *testing.T) {
	dir := t.TempDir()
	base, baseIndex := pack(t, diskOf(1, 2, 3), nil)
	part, _ := pack(t, diskOf(1, 2, 4), baseIndex)
	s := openOrbit(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "base"), flip(base, 2000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "new", part); err == nil || !strings.Contains(err.Error(), "span 0") {
		t.Errorf("error is %v, want one of span 0", err)
	}
	noTraces(t, dir, "base")
}

// TestRoot has roots follow what lies under a name, also what was put there by
// other means.
func TestRoot(t *testing.T) {
	dir := t.TempDir()
	s := openOrbit(t, dir)
	one, oneIndex := pack(t, diskOf(1), nil)
	two, twoIndex := pack(t, diskOf(2), nil)
	part, _ := pack(t, diskOf(1, 2), oneIndex)
	for _, step := range []struct {
		what string
		data []byte
		want string
	}{
		{"one", one, oneIndex.Root().String()},
		{"another", two, twoIndex.Root().String()},
		{"no image", []byte("nothing"), ""},
		{"damaged", flip(two, -70), ""},
		{"a difference", part, ""},
		{"one again", one, oneIndex.Root().String()},
	} {
		next := filepath.Join(t.TempDir(), "next")
		if err := errors.Join(os.WriteFile(next, step.data, 0o644), os.Rename(next, filepath.Join(dir, "a"))); err != nil {
			t.Fatal(err)
		}
		for range 2 { // read, and remembered
			if got := s.RootOf("a"); got != step.want {
				t.Errorf("%s: root is %q, want %q", step.what, got, step.want)
			}
		}
	}
	if got := s.RootOf("b"); got != "" {
		t.Errorf("an image that is not there has the root %q", got)
	}
}
