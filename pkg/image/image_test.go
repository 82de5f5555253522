package image

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// disk is a random disk: what is in use holds data or zeros, all else noise.
func disk(seed uint64, size int64, unit int64) (content []byte, used extent.Set) {
	r := rand.New(rand.NewPCG(seed, 3))
	noise := rand.NewChaCha8([32]byte{byte(seed)})
	content = make([]byte, size)
	noise.Read(content)
	for off := int64(0); off < size; {
		n := min((1+r.Int64N(int64(1)<<r.IntN(14)))*unit, size-off)
		part := content[off : off+n]
		switch r.IntN(5) {
		case 0, 1:
		case 2:
			used.Add(extent.Range{Off: off, End: off + n})
			clear(part)
		case 3:
			used.Add(extent.Range{Off: off, End: off + n})
			for i := range part {
				part[i] = byte(i / 100)
			}
		default:
			used.Add(extent.Range{Off: off, End: off + n})
		}
		off += n
	}
	return content, used
}

var meta = Meta{
	Scheme: "gpt",
	Parts:  []Partition{{Number: 1, Name: "root", Kind: "ext4", Offset: mib, Size: 5 * mib, Used: mib}},
	Origin: Origin{Node: "node1", Disk: &api.Disk{Path: "/dev/sda", Size: 1, Sector: 512}, Time: time.Unix(1700000000, 0).UTC(), Tool: "savenode test"},
	Notes:  []string{"partition 2 is saved whole: unknown"},
}

// pack makes an image; parent, if any, is what spans may be inherited from.
func pack(t testing.TB, content []byte, used extent.Set, level int, m Meta, parent *Index) []byte {
	t.Helper()
	p, err := NewPacker(level, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out bytes.Buffer
	w, err := NewWriter(&out, Index{Size: int64(len(content)), Sector: 512, Used: used, Meta: m})
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.index.Spans() {
		r := w.index.SpanRange(i)
		span := bytes.Clone(content[r.Off:r.End])
		w.index.Mask(i, span)
		packed := p.Pack(nil, span)
		if parent != nil && packed.Kind == Data && i < parent.Spans() && parent.Find(i).Kind == Data && parent.Find(i).Digest == packed.Digest {
			packed = Packed{Kind: Inherited, Digest: packed.Digest}
		}
		if err := w.Append(packed); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpack gives the disk that an image holds, read in a random order.
func unpack(b []byte) ([]byte, *Index, error) {
	x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, nil, err
	}
	u, err := NewUnpacker(1)
	if err != nil {
		return nil, nil, err
	}
	defer u.Close()
	if x.Size > 256*mib {
		return nil, nil, errors.New("too large for a test")
	}
	content := make([]byte, x.Size)
	buf := make([]byte, MaxFrame)
	for _, i := range rand.Perm(len(x.Frames())) {
		f := x.Frames()[i]
		if f.Kind != Data {
			continue
		}
		r := x.Range(f)
		span, err := u.Unpack(buf, b[f.Off:f.Off+f.Stored], f, r.Len())
		if err != nil {
			return nil, nil, err
		}
		copy(content[r.Off:], span)
	}
	return content, x, nil
}

func masked(content []byte, used extent.Set) []byte {
	content = bytes.Clone(content)
	Mask(used, extent.Range{End: int64(len(content))}, content)
	return content
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int64
		unit  int64
		level int
	}{
		{"sectors", 9*mib + 512, 512, 1},
		{"blocks", 70 * mib, 4 * kib, 1},
		{"bytes", 3*mib + 77, 1, 3},
		{"tiny", 512, 512, 1},
		{"best", 4 * mib, 4096, 19},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, used := disk(uint64(c.size), c.size, c.unit)
			if c.name == "blocks" { // a long run of nothing, and one of zeros
				used.Remove(extent.Range{Off: mib, End: 30 * mib})
				used.Add(extent.Range{Off: 31 * mib, End: 66 * mib})
				clear(content[31*mib : 66*mib])
			}
			b := pack(t, content, used, c.level, meta, nil)
			got, x, err := unpack(b)
			if err != nil {
				t.Fatal(err)
			}
			want := masked(content, used)
			if !bytes.Equal(got, want) {
				t.Error("the content differs")
			}
			if !x.Used.Equal(used) || x.Size != c.size || x.Sector != 512 {
				t.Error("the index differs")
			}
			if diff := cmp.Diff(meta, x.Meta); diff != "" {
				t.Error(diff)
			}
			if zeros := x.Zeros(); !zeros.Subtract(used).Empty() {
				t.Error("zeros that are not in use")
			} else {
				for r := range zeros.All() {
					if !isZero(want[r.Off:r.End]) {
						t.Errorf("%v is not zeros", r)
					}
				}
			}
			tool := exec.Command("zstd", "-dcq")
			tool.Stdin = bytes.NewReader(b)
			plain, err := tool.Output()
			if errors.Is(err, exec.ErrNotFound) {
				t.Skip("no zstd here")
			}
			if err != nil || !bytes.Equal(plain, want) {
				t.Errorf("zstd -dc gives something else (%v)", err)
			}
		})
	}
}

func TestRootIsOfTheContent(t *testing.T) {
	content, used := disk(5, 6*mib, 4096)
	root := func(b []byte) Digest {
		t.Helper()
		x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return x.Root()
	}
	first := root(pack(t, content, used, 1, meta, nil))
	if other := root(pack(t, content, used, 9, meta, nil)); other != first {
		t.Error("another level gives another root")
	}
	noise := bytes.Clone(content)
	for r := range used.Complement(extent.Range{End: 6 * mib}).All() {
		clear(noise[r.Off:r.End])
	}
	if other := root(pack(t, noise, used, 1, meta, nil)); other != first {
		t.Error("what is not in use changes the root")
	}
	r := used.Ranges()[used.Count()/2]
	content[r.Off] ^= 1
	if other := root(pack(t, content, used, 1, meta, nil)); other == first {
		t.Error("another bit gives the same root")
	}
	content[r.Off] ^= 1
	changed := meta
	changed.Scheme = "mbr"
	if other := root(pack(t, content, used, 1, changed, nil)); other == first {
		t.Error("another description gives the same root")
	}
	less := used.Clone()
	less.Remove(extent.Range{Off: r.Off, End: r.Off + 4096})
	if other := root(pack(t, content, less, 1, meta, nil)); other == first {
		t.Error("other ranges give the same root")
	}
}

func TestAssemble(t *testing.T) {
	content, used := disk(11, 40*mib, 4096)
	parent := pack(t, content, used, 1, meta, nil)
	px, err := ReadIndex(bytes.NewReader(parent), int64(len(parent)))
	if err != nil {
		t.Fatal(err)
	}
	root := px.Root()
	m := meta
	m.Parent = &root
	for _, i := range []int{0, 7 * mib, 39*mib + 5} {
		used.Add(extent.Range{Off: int64(i), End: int64(i + mib)}.Align(4096).Intersect(extent.Range{End: 40 * mib}))
		content[i+100] ^= 0xff
	}
	partial := pack(t, content, used, 1, m, px)
	whole := pack(t, content, used, 1, m, nil)
	x, err := ReadIndex(bytes.NewReader(partial), int64(len(partial)))
	if err != nil {
		t.Fatal(err)
	}
	if !x.Partial() || len(partial) > len(whole)/2 {
		t.Fatalf("partial image of %d bytes, the whole one has %d", len(partial), len(whole))
	}
	var out bytes.Buffer
	got, err := Assemble(&out, File{x, bytes.NewReader(partial)}, File{px, bytes.NewReader(parent)})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), whole) {
		t.Error("the assembled image is another one than that saved at once")
	}
	if got.Root() != x.Root() {
		t.Error("assembling changes the root")
	}

	stranger := pack(t, content, used, 1, meta, nil)
	sx, err := ReadIndex(bytes.NewReader(stranger), int64(len(stranger)))
	if err != nil {
		t.Fatal(err)
	}
	var wrong *ParentError
	if _, err := Assemble(&out, File{x, bytes.NewReader(partial)}, File{sx, bytes.NewReader(stranger)}); !errors.As(err, &wrong) {
		t.Errorf("another parent: %v", err)
	}
}

func TestSignatureKeepsRoot(t *testing.T) {
	content, used := disk(2, 3*mib, 4096)
	b := pack(t, content, used, 1, meta, nil)
	x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	root := x.Root()
	x.Signature = []byte("untrusted comment: x\n...")
	var out bytes.Buffer
	out.Write(b[:x.DataEnd()])
	if err := WriteIndex(&out, x); err != nil {
		t.Fatal(err)
	}
	got, y, err := unpack(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if y.Root() != root || string(y.Signature) != string(x.Signature) || !bytes.Equal(got, masked(content, used)) {
		t.Error("signing changes the image")
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(&bytes.Buffer{}, Index{Size: 2 * mib, Sector: 512})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err == nil {
		t.Error("an image without its spans is complete")
	}
	if _, err := NewWriter(&bytes.Buffer{}, Index{Size: mib, Sector: 512, Used: extent.NewSet(extent.Range{End: mib + 1})}); err == nil {
		t.Error("used behind the end")
	}
}
