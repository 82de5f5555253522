package imaging

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/image"
)

// frameOf gives a frame of a kind whose spans hold something in use.
func frameOf(t testing.TB, x *image.Index, kind image.Kind, is func(image.Frame) bool) image.Frame {
	t.Helper()
	for _, f := range x.Frames() {
		if f.Kind == kind && f.First > 0 && x.Used.Overlaps(x.Range(f)) && is(f) {
			return f
		}
	}
	t.Fatalf("no frame of kind %d", kind)
	return image.Frame{}
}

// incompressible is a span that is stored as it is.
func incompressible(testing.TB) []byte {
	span := make([]byte, image.Span)
	rand.NewChaCha8([32]byte{17}).Read(span)
	return span
}

// plainDisk is a disk with a GPT, with a span that cannot be compressed, and one of zeros,
// both in use.
func plainDisk(t testing.TB) (disk []byte, used extent.Set) {
	disk, used = usedDisk(t, size, 512, 31)
	copy(disk[5*mib:6*mib], incompressible(t))
	clear(disk[7*mib : 8*mib])
	used.Add(extent.Range{Off: 5 * mib, End: 8 * mib})
	return disk, used
}

// An Orbit image that comes as a stream is checked by its index, too, not only by
// the checksums of its frames.
func TestStdin(t *testing.T) {
	disk, used := plainDisk(t)
	b := orbitImage(t, disk, used, 512)
	x, err := image.ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	random := frameOf(t, x, image.Data, func(f image.Frame) bool { return f.Stored >= mib })
	empty := frameOf(t, x, image.Empty, func(image.Frame) bool { return true })
	other := x.Root()
	other[0]++
	disk[5*mib+7]++
	foreign := orbitImage(t, disk, used, 512)[random.Off:][:random.Stored] // a frame of the same length
	disk[5*mib+7]--
	for _, c := range []struct {
		name string
		file func(b []byte) []byte
		root image.Digest
		want string // error, or "" for none
	}{
		{"whole", func(b []byte) []byte { return b }, image.Digest{}, ""},
		{"root", func(b []byte) []byte { return b }, x.Root(), ""},
		{"other root", func(b []byte) []byte { return b }, other, "the one asked for"},
		{"damaged span", func(b []byte) []byte { b[random.Off+random.Stored/2] ^= 1; return b }, image.Digest{}, "checksum mismatch"},
		{"another span", func(b []byte) []byte { copy(b[random.Off:], foreign); return b }, image.Digest{}, "span 5 of the image"},
		{"another span and root", func(b []byte) []byte { copy(b[random.Off:], foreign); return b }, x.Root(), "span 5 of the image"},
		{"damaged zeros", func(b []byte) []byte { b[empty.Off+empty.Stored-1] ^= 1; return b }, image.Digest{}, "its digest is"},
		{"damaged index", func(b []byte) []byte { b[x.DataEnd()+100] ^= 1; return b }, image.Digest{}, "index"},
		{"cut in a span", func(b []byte) []byte { return b[:random.Off+99] }, image.Digest{}, "ends too early"},
		{"cut in the index", func(b []byte) []byte { return b[:len(b)-3] }, image.Digest{}, "ends too early"},
		{"no index and root", func(b []byte) []byte { return b[:x.DataEnd()] }, x.Root(), "no index"},
		{"two images", func(b []byte) []byte { return append(b, b...) }, image.Digest{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := memory(make([]byte, size))
			r, err := write1(t, WriteOptions{
				Source: "-", Stdin: bytes.NewReader(c.file(bytes.Clone(b))), Root: c.root,
				Disk: filepath.Join(t.TempDir(), "disk"), FileSize: size, seam: s,
			})
			switch {
			case c.name == "two images":
				if err == nil {
					t.Error("two images were taken for one")
				}
			case c.want != "":
				failed(t, err, c.want)
			case err != nil:
				t.Fatal(err)
			default:
				for u := range used.All() {
					same(t, "disk", m.data[u.Off:u.End], disk[u.Off:u.End])
				}
				if r.Root != x.Root().String() || r.Checked != !c.root.IsZero() {
					t.Errorf("root %s, checked %v", r.Root, r.Checked)
				}
			}
		})
	}
}

// virtualDisk makes an image of a raw disk with qemu-img.
func virtualDisk(t testing.TB, disk, name string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	maptest.Tool(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, options...), disk, path)...)
	return path
}

func TestQcow2(t *testing.T) {
	disk, _ := plainDisk(t)
	raw := store(t, "disk", disk)
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"v2", []string{"-o", "compat=0.10"}},
		{"v3", []string{"-o", "compat=1.1,cluster_size=4k"}},
		{"deflate", []string{"-c"}},
		{"zstd", []string{"-c", "-o", "compression_type=zstd"}},
	} {
		for _, name := range []string{"disk.qcow2", "disk"} {
			img := virtualDisk(t, raw, name, c.options...)
			server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(img))))
			defer server.Close()
			for _, source := range []string{img, server.URL + "/" + name} {
				for _, verify := range []Verify{VerifyStream, VerifyDisk} {
					old := noise(t, size)
					m, s := memory(bytesOf(t, old))
					r, err := write1(t, WriteOptions{Source: source, Disk: old, FileSize: size, Verify: verify, seam: s})
					if err != nil {
						t.Fatalf("%s %s: %v", c.name, source, err)
					}
					same(t, c.name, m.data, disk)
					if r.Format != "qcow2" || r.Bytes != size {
						t.Errorf("%+v", r)
					}
				}
			}
		}
	}
}

// Nothing is touched for the sake of a qcow2 that cannot be read.
func TestQcow2Refused(t *testing.T) {
	disk, _ := plainDisk(t)
	raw := store(t, "disk", disk)
	img := virtualDisk(t, raw, "x.qcow2")
	huge := filepath.Join(t.TempDir(), "huge.qcow2")
	maptest.Tool(t, "qemu-img", "create", "-q", "-f", "qcow2", huge, "64T")
	none := filepath.Join(t.TempDir(), "none.qcow2")
	maptest.Tool(t, "qemu-img", "create", "-q", "-f", "qcow2", none, "0")
	overlay := filepath.Join(t.TempDir(), "overlay.qcow2")
	maptest.Tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", img, overlay)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(bytesOf(t, img)) }))
	defer plain.Close()
	for _, c := range []struct {
		o    WriteOptions
		want string
	}{
		{WriteOptions{Source: overlay}, "backing file"},
		{WriteOptions{Source: huge}, "too small"},
		{WriteOptions{Source: none}, "is empty"},
		{WriteOptions{Source: plain.URL + "/x.qcow2"}, "cannot be read first to last"},
		{WriteOptions{Source: "-", Stdin: bytes.NewReader(bytesOf(t, img))}, "cannot be read first to last"},
		{WriteOptions{Source: img, SHA256: sum(bytesOf(t, img))}, "cannot be read first to last"},
		{WriteOptions{Source: img, Root: image.Digest{1}}, "no index"},
		{WriteOptions{Source: store(t, "cut.qcow2", bytesOf(t, img)[:70000])}, ""},
	} {
		m, s := memory(disk)
		c.o.Disk, c.o.FileSize, c.o.seam = store(t, "d", disk), size, s
		_, err := write1(t, c.o)
		refused(t, err, c.want)
		same(t, "the disk", m.data, disk)
	}
}

// TestFramesOf compares with looking at every span.
func TestFramesOf(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		size := 1 + r.Int64N(300*mib)
		var used extent.Set
		for range r.IntN(6) {
			off := r.Int64N(size)
			used.Add(extent.Range{Off: off, End: min(size, off+1+r.Int64N(9*mib))})
		}
		next := int64(0)
		for _, f := range framesOf(size, used) {
			if f.First != next || f.Count < 1 || f.Count > image.MaxRun || f.Kind == image.Data && f.Count > 1 {
				t.Fatalf("%d bytes, %v: frame %+v at span %d", size, used, f, next)
			}
			for ; next < f.First+f.Count; next++ {
				span := extent.Range{Off: next * image.Span, End: min((next+1)*image.Span, size)}
				if used.Overlaps(span) != (f.Kind == image.Data) || f.Kind == image.Data && (f.Off != span.Off || f.Stored != span.Len()) {
					t.Fatalf("%d bytes, %v: span %d in frame %+v", size, used, next, f)
				}
			}
		}
		if next*image.Span < size {
			t.Fatalf("%d bytes: frames end at span %d", size, next)
		}
	}
	// As large as a format allows, and empty.
	if n := len(framesOf(1<<61, extent.Set{})); n > 1<<17 {
		t.Errorf("%d frames for nothing", n)
	}
}

// What a save took from its parent and what it did not is the same image.
func TestParent(t *testing.T) {
	disk, _ := plainDisk(t)
	dir := t.TempDir()
	dest := func(name string) string { return filepath.Join(dir, name+".img.zst") }
	save := func(data []byte, name, parent string) *Receipt {
		t.Helper()
		r, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", data), Dest: dest(name), Parent: parent})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	parent := save(disk, "parent", "")
	child := bytes.Clone(disk)
	child[5*mib+77]++
	save(child, "plain", "")
	save(child, "child", dest("parent"))
	x, y := indexOf(t, dest("plain")), indexOf(t, dest("child"))
	if y.Meta.Parent == nil || y.Meta.Parent.String() != parent.Root || y.Partial() {
		t.Errorf("parent is %v, want %s; partial: %v", y.Meta.Parent, parent.Root, y.Partial())
	}
	y.Meta.Parent = nil
	if diff := cmp.Diff(x.Meta, y.Meta, cmpopts.IgnoreFields(image.Origin{}, "Time")); diff != "" {
		t.Errorf("description (-plain +child):\n%s", diff)
	}
	if diff := cmp.Diff(x.Frames(), y.Frames()); diff != "" || !x.Used.Equal(y.Used) {
		t.Errorf("frames (-plain +child):\n%s", diff)
	}
	same(t, "frames", bytesOf(t, dest("child"))[:y.DataEnd()], bytesOf(t, dest("plain"))[:x.DataEnd()])

	for parent, want := range map[string]string{
		store(t, "raw", disk): "no index", dest("none"): "no such file",
	} {
		_, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", child), Dest: dest("x"), Parent: parent})
		refused(t, err, want)
	}
}
