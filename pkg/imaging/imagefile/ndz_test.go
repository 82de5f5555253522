package imagefile

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
	"github.com/orbit-pxe/orbit/pkg/ndz/seal"
)

// goldens is where images are that the real tools wrote.
const goldens = "../../../../shared/testdata/ndz"

// manifest says what is in them.
type manifest struct {
	Images []struct {
		File   string
		Key    string `json:"key_file"`
		Cipher string `json:"encryption_key_file"`
		Zero   struct {
			Size   int64
			SHA256 string
		} `json:"zero_filled"`
		Sectors uint64 `json:"sectors_with_data"`
		Ranges  []struct {
			Start, Count int64
			SHA256       string
		}
	}
}

func golden(t testing.TB, name string) []byte { return ndztest.Golden(t, filepath.Join(goldens, name)) }

func readManifest(t testing.TB) (m manifest) {
	t.Helper()
	if err := json.Unmarshal(golden(t, "manifest.json"), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Images) < 20 {
		t.Fatalf("%d images in the manifest", len(m.Images))
	}
	return m
}

func keys(t testing.TB, signer, cipher string) *seal.Keys {
	t.Helper()
	k := &seal.Keys{}
	var err error
	if signer != "" {
		if k.Signer, err = seal.ParseSigner(golden(t, signer)); err != nil {
			t.Fatal(err)
		}
	}
	if cipher != "" {
		if k.Cipher, err = seal.ParseCipher(golden(t, cipher)); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// held puts the regions of an .ndz image where they belong, by means of the
// independent checker, and gives what it holds.
func held(t testing.TB, file []byte, size int64) (disk []byte, used extent.Set) {
	t.Helper()
	disk = make([]byte, (size+511)/512*512)
	r := ndztest.Check(file, func(sector uint64, data []byte) {
		off := int64(sector) * 512
		copy(disk[off:], data)
		used.Add(extent.Range{Off: off, End: off + int64(len(data))})
	})
	for _, p := range r.Problems {
		t.Error(p)
	}
	return disk[:size], used
}

// TestGoldens turns all images of the real tools into Orbit images, raw files and
// .ndz images again.
func TestGoldens(t *testing.T) {
	for _, g := range readManifest(t).Images {
		t.Run(g.File, func(t *testing.T) {
			t.Parallel() // what takes time is to wait until files are on stable storage
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			if err := os.WriteFile(in("in.ndz"), golden(t, g.File), 0o644); err != nil {
				t.Fatal(err)
			}
			opts := ndz.Options{Seal: keys(t, g.Key, g.Cipher)}
			convert := func(from, to string) *imaging.Receipt {
				t.Helper()
				r, err := Convert(t.Context(), Options{Source: in(from), Dest: in(to), Ndz: opts})
				if err != nil {
					t.Fatal(err)
				}
				opts = ndz.Options{} // what we write is not sealed
				if r.Bytes != g.Zero.Size {
					t.Errorf("%s: %d bytes, want %d", to, r.Bytes, g.Zero.Size)
				}
				return r
			}
			sealed := opts
			convert("in.ndz", "a.img.zst")
			opts = sealed
			convert("in.ndz", "b.raw")
			convert("a.img.zst", "d.ndz")
			file := func(name string) []byte { return read(t, in(name)) }

			if got := hash(file("b.raw")); got != g.Zero.SHA256 {
				t.Errorf("raw is %s, want %s", got, g.Zero.SHA256)
			}
			disk := file("b.raw")
			same(t, "Orbit", decoded(t, file("a.img.zst")), disk)
			var want extent.Set
			for _, r := range g.Ranges {
				want.Add(extent.Range{Off: r.Start * 512, End: min((r.Start+r.Count)*512, g.Zero.Size)})
			}
			f := sound(t, in("a.img.zst"))
			if used := f.Used; len(g.Ranges) > 0 && !used.Equal(want) {
				t.Errorf("in use are %v, want %v", used, want)
			}
			if n := (f.Used.Align(512).Len()) / 512; n != int64(g.Sectors) {
				t.Errorf("%d sectors in use, want %d", n, g.Sectors)
			}
			got, used := held(t, file("d.ndz"), g.Zero.Size)
			same(t, "the .ndz image", got, disk)
			if rest := f.Used.Subtract(used); !rest.Empty() {
				t.Errorf("the .ndz image lacks %v", rest)
			}
			if strings.HasPrefix(g.File, "gpt-esp") && (f.Meta.Scheme != "gpt" || len(f.Meta.Parts) != 4 || len(f.Meta.Notes) > 0) {
				t.Errorf("it says %+v", f.Meta)
			}
			v, err := Verify(t.Context(), VerifyOptions{Source: in("in.ndz"), Ndz: sealed})
			if err != nil || v.Ndz.Size() != g.Zero.Size {
				t.Errorf("verify: %v", err)
			}
			alone(t, dir, "in.ndz", "a.img.zst", "b.raw", "d.ndz")
		})
	}
}

// Of a disk with a filesystem what is in use is written, and all of it, in every
// version; and one partition of it.
func TestToNdz(t *testing.T) {
	raw, content, used := rawDisk(t, 512)
	kept := masked(content, used)
	id := [16]byte{1, 2, 3}
	for _, test := range []struct {
		name    string
		o       Options
		version int
	}{
		{"default", Options{}, 3},
		{"2", Options{As: ndz.WriteOptions{Version: 2}}, 2},
		{"4", Options{As: ndz.WriteOptions{Version: 4, ID: id}}, 4},
		{"5", Options{As: ndz.WriteOptions{Version: 5, ID: id, Gap: 1}}, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.o
			o.Source, o.Dest = raw, filepath.Join(t.TempDir(), "x.ndz")
			if _, err := Convert(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			b := read(t, o.Dest)
			got, in := held(t, b, int64(len(content)))
			if !used.Subtract(in).Empty() || in.Len() > used.Len()+used.Len()/10 {
				t.Errorf("%d bytes held, %d in use", in.Len(), used.Len())
			}
			same(t, "the disk", got, kept)
			m, err := ndz.Open(t.Context(), bytes.NewReader(b), int64(len(b)), ndz.Options{ID: o.As.ID})
			if err != nil || m.Version() != test.version || m.ID() != o.As.ID {
				t.Errorf("version %d, id %x, %v", m.Version(), m.ID(), err)
			}
		})
	}
	part := filepath.Join(t.TempDir(), "part.ndz")
	for range 2 { // of the disk, and of its Orbit image
		if _, err := Convert(t.Context(), Options{Source: raw, Dest: part, Part: 1}); err != nil {
			t.Fatal(err)
		}
		got, _ := held(t, read(t, part), int64(len(content))-mib-mib)
		same(t, "the partition", got[:20*mib], kept[mib:21*mib])
		orbit := filepath.Join(t.TempDir(), "x.zst")
		if _, err := Convert(t.Context(), Options{Source: raw, Dest: orbit}); err != nil {
			t.Fatal(err)
		}
		raw = orbit
	}
	if _, err := Convert(t.Context(), Options{Source: raw, Dest: part, Part: 7}); err == nil || !strings.Contains(err.Error(), "no partition 7") {
		t.Errorf("partition 7: %v", err)
	}
}

// An image of a partition has its addresses relocated to where it is to go, as
// the real reader does it.
func TestTarget(t *testing.T) {
	var m struct {
		Images []struct {
			File      string
			Relocated struct {
				Start  uint64 `json:"target_start"`
				Count  uint64 `json:"target_sectors"`
				SHA256 string `json:"sha256"`
			}
		}
	}
	if err := json.Unmarshal(golden(t, "manifest.json"), &m); err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, g := range m.Images {
		if g.Relocated.SHA256 == "" {
			continue
		}
		done++
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in.ndz"), filepath.Join(dir, "out.raw")
		if err := os.WriteFile(in, golden(t, g.File), 0o644); err != nil {
			t.Fatal(err)
		}
		// "a disk whose partition 2 starts at sector 8192 and has 49152 sectors"
		if _, err := Convert(t.Context(), Options{Source: in, Dest: out, Ndz: ndz.Options{Target: ndz.Target{Start: g.Relocated.Start, Sectors: g.Relocated.Count}}}); err != nil {
			t.Fatal(err)
		}
		part := make([]byte, g.Relocated.Count*512)
		copy(part, read(t, out))
		if got := hash(part); got != g.Relocated.SHA256 {
			t.Errorf("%s: %s, want %s", g.File, got, g.Relocated.SHA256)
		}
	}
	if done == 0 {
		t.Error("no image with relocations in the manifest")
	}
}

// Compressed images, and those at a server.
func TestNdzSources(t *testing.T) {
	plain := golden(t, "gpt-esp-ext4-swap-lvm.ndz.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	z.Close()
	dir := t.TempDir()
	for name, b := range map[string][]byte{"a.ndz": plain, "a.ndz.gz": packed.Bytes(), "plain": plain} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ranges := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer ranges.Close()
	streams := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := os.ReadFile(filepath.Join(dir, r.URL.Path))
		w.Write(b)
	}))
	defer streams.Close()
	want, _ := held(t, plain, 64*mib)
	for _, source := range []string{dir + "/plain", dir + "/a.ndz.gz", ranges.URL + "/a.ndz", ranges.URL + "/a.ndz.gz", streams.URL + "/a.ndz"} {
		out := t.TempDir()
		for _, dest := range []string{"x.zst", "x.raw", "x.raw.zst", "x.ndz"} {
			if _, err := Convert(t.Context(), Options{Source: source, Dest: filepath.Join(out, dest)}); err != nil {
				t.Errorf("%s to %s: %v", source, dest, err)
			}
		}
		alone(t, out, "x.zst", "x.raw", "x.raw.zst", "x.ndz")
		same(t, source+" as raw", read(t, out+"/x.raw"), want)
		same(t, source+" as Orbit", decoded(t, read(t, out+"/x.zst")), want)
		got, _ := held(t, read(t, out+"/x.ndz"), 64*mib)
		same(t, source+" as .ndz", got, want)
	}
}
