package imagefile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

func TestNdzFails(t *testing.T) {
	plain := golden(t, "gpt-esp-ext4-swap-lvm.ndz.gz")
	chunks := golden(t, "ext2-fragmented-v3.ndz.gz")
	disk := make([]byte, 4*mib)
	copy(disk, noise(4*mib))
	change := func(b []byte, f func([]byte)) []byte {
		b = bytes.Clone(b)
		f(b)
		return b
	}
	// The GPT speaks of more disk than there is: the last chunk is gone.
	short := change(plain, func(b []byte) { b[28], b[29], b[30] = 0, 0, 1 })
	short = change(short, func(b []byte) { // and the regions there
		for n := int(b[20]); n > 0; n-- {
			if e := b[36+8*(n-1):]; int(e[0])|int(e[1])<<8|int(e[2])<<16 < 65536 {
				break
			}
			b[20]--
		}
	})
	sealed := golden(t, "raw-v4-signed-encrypted.ndz.gz")
	for _, test := range []struct {
		name    string
		b       []byte
		o       Options
		want    string
		damaged bool
	}{
		{"cut", plain[:mib-1], Options{}, "cut short", true},
		{"empty", nil, Options{}, "cut short", true},
		{"chunk missing", append(bytes.Clone(chunks[:mib]), chunks[2*mib:]...), Options{}, "chunk 1", true},
		{"first chunk missing", chunks[mib:], Options{}, "chunk 0", true},
		{"no .ndz", disk, Options{}, "no chunk", true},
		{"version 6", change(plain, func(b []byte) { b[0] = 0x6e }), Options{}, "no chunk", true},
		{"relocation 9", change(golden(t, "oddfile-v3.ndz.gz"), func(b []byte) { b[44] = 9 }), Options{}, "relocation", true},
		{"damaged data", change(plain, func(b []byte) { b[6000] ^= 1 }), Options{}, "chunk 0", true},
		{"no keys", sealed, Options{}, "there is no key", false},
		{"one key", sealed, Options{Ndz: ndz.Options{Seal: keys(t, "", "encryption-key.hex")}}, "signed", false},
		{"other signer", sealed, Options{Ndz: ndz.Options{Seal: keys(t, "raw-v4-signed.skey", "encryption-key.hex")}}, "signature", false},
		{"other id", plain, Options{Ndz: ndz.Options{ID: [16]byte{1}}}, "image id", true},
		{"version for Orbit", plain, Options{As: ndz.WriteOptions{Version: 3}}, "are for .ndz", false},
		{"less than the table", short, Options{}, "", true},
		{"less than the filesystem", chunks[:2*mib], Options{}, "its filesystem needs", true},
		{"cut in its only chunk", plain[:mib/2], Options{}, "cut short", true},
		{"cut in its header", plain[:2000], Options{}, "cut short", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			o := test.o
			o.Source = filepath.Join(dir, "in.ndz")
			if err := os.WriteFile(o.Source, test.b, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, dest := range []string{"x.zst", "x.raw", "x.raw.zst"} {
				o.Dest = filepath.Join(dir, dest)
				_, err := Convert(t.Context(), o)
				if err == nil || !strings.Contains(err.Error(), test.want) || IsDamaged(err) != test.damaged {
					t.Errorf("to %s: %v, want %q, damaged %t", dest, err, test.want, test.damaged)
				}
			}
			if test.o.As.Version == 0 {
				if _, err := Verify(t.Context(), VerifyOptions{Source: o.Source, Ndz: o.Ndz}); err == nil || IsDamaged(err) != test.damaged {
					t.Errorf("verify: %v", err)
				}
			}
			alone(t, dir, "in.ndz")
		})
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "in.raw")
	if err := os.WriteFile(raw, disk, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, as := range []ndz.WriteOptions{{Version: 1}, {Version: 6}, {ID: [16]byte{1}}, {Version: 3, ID: [16]byte{1}}} {
		if _, err := Convert(t.Context(), Options{Source: raw, Dest: filepath.Join(dir, "x.ndz"), As: as}); err == nil {
			t.Errorf("%+v was written", as)
		}
	}
	alone(t, dir, "in.raw")
}

// What filesystems lack at the end can be done without, by force: some real tools
// leave out copies of superblocks.
func TestNdzMissingEnd(t *testing.T) {
	dir := t.TempDir()
	o := Options{Source: filepath.Join(dir, "in.ndz"), Dest: filepath.Join(dir, "x.img.zst"), Force: true}
	if err := os.WriteFile(o.Source, golden(t, "ext2-fragmented-v3.ndz.gz")[:2*mib], 0o644); err != nil {
		t.Fatal(err)
	}
	var told []string
	o.Events = func(e api.Event) { told = append(told, e.Message) }
	if _, err := Convert(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(told, "\n"), "its filesystem needs") {
		t.Errorf("told only %q", told)
	}
}

// Images of version 1 do not tell of what is free at the end of the disk.
func TestNdzVersion1(t *testing.T) {
	for _, counted := range []bool{true, false} {
		dir := t.TempDir()
		in, raw, back := filepath.Join(dir, "in.ndz"), filepath.Join(dir, "x.raw"), filepath.Join(dir, "x.img.zst")
		if err := os.WriteFile(in, ndztest.Version1(golden(t, "mbr-ext234-swap-2011.ndz.gz"), counted), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), VerifyOptions{Source: in}); err != nil {
			t.Error(err)
		}
		for _, dest := range []string{raw, back} {
			r, err := Convert(t.Context(), Options{Source: in, Dest: dest})
			if err != nil {
				t.Error(err)
			} else if want := int64(120832 * 512); r.Bytes != want {
				t.Errorf("%s has %d bytes, want those of its partitions", dest, r.Bytes)
			}
		}
	}
}

// A disk beyond 2 TiB becomes the version that has numbers for it.
func TestNdzHuge(t *testing.T) {
	dir := t.TempDir()
	raw, out := filepath.Join(dir, "in.raw"), filepath.Join(dir, "x.ndz")
	const size = 2<<40 + 4*mib
	var used extent.Set
	used.Add(extent.Range{End: 4096})
	used.Add(extent.Range{Off: size - 4096, End: size})
	x, err := os.Create(raw + ".zst")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	p, err := image.NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	w, err := image.NewWriter(x, image.Index{Size: size, Sector: 512, Used: used, Meta: image.Meta{Scheme: "none"}})
	if err != nil {
		t.Fatal(err)
	}
	last := (int64(size)+image.Span-1)/image.Span - 1
	for i := int64(0); i <= last; i++ {
		span := make([]byte, 0)
		if i == 0 || i == last {
			span = noise(image.Span)
			image.Mask(used, extent.Range{Off: i * image.Span, End: (i + 1) * image.Span}, span)
			if err := w.Append(p.Pack(nil, span)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := w.Append(image.Packed{Kind: image.Empty}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(t.Context(), Options{Source: raw + ".zst", Dest: out}); err != nil {
		t.Fatal(err)
	}
	b := read(t, out)
	r := ndztest.Check(b, nil)
	if r.Version != 5 || len(r.Problems) > 0 || r.End != size/512 {
		t.Errorf("%+v", r)
	}
	_, err = Convert(t.Context(), Options{Source: raw + ".zst", Dest: filepath.Join(dir, "y.ndz"), As: ndz.WriteOptions{Version: 3}})
	if err == nil || !strings.Contains(err.Error(), "want 5") {
		t.Errorf("as version 3: %v", err)
	}
	alone(t, dir, "in.raw.zst", "x.ndz")
}
