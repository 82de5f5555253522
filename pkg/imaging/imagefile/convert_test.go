package imagefile

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/sign/secret"
)

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]imaging.Format{
		"a.img.zst": imaging.Orbit, "b/a.zst": imaging.Orbit, "a.raw.zst": imaging.RawZstd, "A.RAW.ZST": imaging.RawZstd,
		"a.raw": imaging.Raw, "a.img": imaging.Raw, "a.dd": imaging.Raw, "a.bin": imaging.Raw,
		"a.qcow2": "", "zst": "", "a.img.gz": "", "a": "", "raw.zst/a": "",
	} {
		got, err := FormatOf(name)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// Every format becomes every other one.
func TestConvert(t *testing.T) {
	raw, content, used := rawDisk(t, 512)
	dir := t.TempDir()
	sources := map[string][]string{ // name → how it is made of raw
		"raw":        {"cp", raw},
		"zst":        {"zstd", "-q", "-1", raw, "-o"},
		"qcow2":      {"qemu-img", "convert", "-O", "qcow2", raw},
		"qcow2-zstd": {"qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", raw},
	}
	for name, how := range sources {
		tool(t, how[0], append(how[1:], filepath.Join(dir, "disk."+name))...)
	}
	kept := masked(content, used)
	for name := range sources {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(dir, "disk."+name)
			out := t.TempDir()
			convert := func(from, to string) *imaging.Receipt {
				t.Helper()
				r, err := Convert(t.Context(), Options{Source: from, Dest: to, Tool: "test"})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			orbit := filepath.Join(out, "a.img.zst")
			r := convert(source, orbit)
			f := sound(t, orbit)
			same(t, orbit, decoded(t, read(t, orbit)), kept)
			if !f.Used.Equal(used) || f.Sector != 512 || len(f.Meta.Parts) != 1 || f.Meta.Parts[0].Label != "root" || f.Meta.Scheme != "gpt" {
				t.Errorf("it says %+v, used %d bytes of %d", f.Meta, f.Used.Len(), used.Len())
			}
			if r.Root != f.Root().String() || r.Bytes != int64(len(content)) || r.Used != used.Len() || r.Stored != int64(len(read(t, orbit))) {
				t.Errorf("receipt %+v", r)
			}
			convert(source, filepath.Join(out, "b.raw"))
			same(t, "raw", read(t, filepath.Join(out, "b.raw")), content)
			convert(source, filepath.Join(out, "c.raw.zst"))
			same(t, "raw.zst", decoded(t, read(t, filepath.Join(out, "c.raw.zst"))), content)

			if name != "raw" { // from here on it is the same for all
				alone(t, out, "a.img.zst", "b.raw", "c.raw.zst")
				return
			}
			convert(orbit, filepath.Join(out, "d.raw"))
			same(t, "raw of the Orbit image", read(t, filepath.Join(out, "d.raw")), kept)
			convert(orbit, filepath.Join(out, "e.raw.zst"))
			same(t, "raw.zst of the Orbit image", decoded(t, read(t, filepath.Join(out, "e.raw.zst"))), kept)
			alone(t, out, "a.img.zst", "b.raw", "c.raw.zst", "d.raw", "e.raw.zst")
		})
	}
}

// What no index or table of clusters opens is decoded first.
func TestConvertCompressed(t *testing.T) {
	content := noise(mib + 300)
	for _, program := range []string{"xz", "gzip", "bzip2"} {
		dir := t.TempDir()
		source, dest := filepath.Join(dir, "disk, of n=1"), filepath.Join(dir, "a,b=c.zst") // no selectors
		if err := os.WriteFile(source, content, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "-1c", source).Output()
		if err := errors.Join(err, os.WriteFile(source, out, 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := Convert(t.Context(), Options{Source: source, Dest: dest}); err != nil {
			t.Fatal(err)
		}
		sound(t, dest)
		same(t, program, decoded(t, read(t, dest)), content)
		alone(t, dir, "disk, of n=1", "a,b=c.zst")
	}
}

// The sector size is in no raw file, but in its table.
func TestConvertSectors(t *testing.T) {
	raw, _, used := rawDisk(t, 4096)
	for _, dest := range []string{"a.zst", "b.zst"} {
		dest = filepath.Join(t.TempDir(), dest)
		if _, err := Convert(t.Context(), Options{Source: raw, Dest: dest}); err != nil {
			t.Fatal(err)
		}
		if f := sound(t, dest); f.Sector != 4096 || !f.Used.Equal(used) {
			t.Errorf("sectors of %d, used %d of %d, notes %q", f.Sector, f.Used.Len(), used.Len(), f.Meta.Notes)
		}
		tool(t, "zstd", "-q", raw)
		raw += ".zst"
	}
}

// Compressing an image anew changes neither its root nor its signature.
func TestConvertAgain(t *testing.T) {
	raw, content, used := rawDisk(t, 512)
	dir := t.TempDir()
	one, two, all := filepath.Join(dir, "one.zst"), filepath.Join(dir, "two.zst"), filepath.Join(dir, "all.zst")
	if _, err := Convert(t.Context(), Options{Source: raw, Dest: one}); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	x, err := Embed(t.Context(), one, func(x *image.Index) ([]byte, error) { return key.Sign(image.Signed(x.Root()), "c") })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(t.Context(), Options{Source: one, Dest: two, Level: 12}); err != nil {
		t.Fatal(err)
	}
	f := sound(t, two)
	if f.Root() != x.Root() || !bytes.Equal(f.Signature, x.Signature) || f.DataEnd() == x.DataEnd() {
		t.Errorf("root %s, want %s; signature %q; %d bytes of frames", f.Root(), x.Root(), f.Signature, f.DataEnd())
	}
	same(t, two, decoded(t, read(t, two)), masked(content, used))

	var notes []string
	if _, err := Convert(t.Context(), Options{Source: two, Dest: all, Whole: true, Events: func(e api.Event) {
		if e.State == api.Note {
			notes = append(notes, e.Message)
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if f := sound(t, all); f.Used.Len() != int64(len(content)) || f.Signature != nil || !strings.Contains(strings.Join(notes, ";"), "signature is lost") {
		t.Errorf("used %d bytes, signature %q, notes %q", f.Used.Len(), f.Signature, notes)
	}
}

func newKey(t testing.TB) secret.Key {
	t.Helper()
	k, err := secret.Generate(bytes.NewReader(noise(4096)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestConvertFails(t *testing.T) {
	dir := t.TempDir()
	whole, _ := orbitImage(t, 3*mib)
	stored := read(t, whole)
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bad := bytes.Clone(stored)
	bad[mib+mib/2] ^= 1
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		source  string
		dest    string
		format  imaging.Format
		want    string
		damaged bool
	}{
		{"damaged, to Orbit", nil, put("bad.img.zst", bad), "x.img.zst", "", "span 1", true},
		{"damaged, to raw.zst", nil, put("bad.img.zst", bad), "x.raw.zst", "", "span 1", true},
		{"damaged, to raw", nil, put("bad.img.zst", bad), "x.raw", "", "span 1", true},
		{"cut zstd", nil, put("cut.zst", stored[:mib]), "x.img.zst", "", "", false},
		{"difference", nil, put("part.zst", difference(t, stored)), "x.raw.zst", "", "only the difference", false},
		{"empty", nil, put("empty", nil), "x.img.zst", "", "empty", false},
		{"no source", nil, filepath.Join(dir, "none"), "x.img.zst", "", "no such file", false},
		{"other content than its name says", nil, put("page.zst", []byte(strings.Repeat("<html>", 1000))), "x.img.zst", "", "not what its name says", false},
		{"qcow2 with a backing file", nil, backed(t, dir), "x.img.zst", "", "backing file", false},
		{"no format", nil, whole, "x.qcow2", "", "tells no format", false},
		{"unknown format", nil, whole, "x.img", "vmdk", "unknown format", false},
		{"no directory", nil, whole, "none/x.img", "", "no such file", false},
		{"a directory", nil, whole, ".", "raw", "not a regular file", false},
		{"a device", nil, whole, "/dev/null", "raw", "not a regular file", false},
		{"given up", canceled, whole, "x.raw.zst", "", "canceled", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := t.TempDir()
			dest := test.dest
			if !filepath.IsAbs(dest) {
				dest = filepath.Join(out, dest)
			}
			if strings.HasPrefix(test.dest, "x.") {
				if err := os.WriteFile(dest, []byte("the last one"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if test.ctx == nil {
				test.ctx = t.Context()
			}
			_, err := Convert(test.ctx, Options{Source: test.source, Dest: dest, Format: test.format})
			if err == nil || !strings.Contains(err.Error(), test.want) || image.IsDamaged(err) != test.damaged {
				t.Errorf("error is %v (damaged: %t), want %q", err, image.IsDamaged(err), test.want)
			}
			if strings.HasPrefix(test.dest, "x.") {
				same(t, dest, read(t, dest), []byte("the last one"))
			}
			alone(t, out, test.dest)
		})
	}
}

// difference is the image of which its parent has all.
func difference(t testing.TB, parent []byte) []byte {
	t.Helper()
	x, err := image.ReadIndex(bytes.NewReader(parent), int64(len(parent)))
	if err != nil {
		t.Fatal(err)
	}
	root := x.Root()
	var out bytes.Buffer
	w, err := image.NewWriter(&out, image.Index{Size: x.Size, Sector: x.Sector, Used: x.Used, Meta: image.Meta{Parent: &root}})
	for _, f := range x.Frames() {
		err = errors.Join(err, w.Append(image.Packed{Kind: image.Inherited, Digest: f.Digest}))
	}
	if _, end := w.Close(); err != nil || end != nil {
		t.Fatal(err, end)
	}
	return out.Bytes()
}

func backed(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "top.qcow2")
	tool(t, "qemu-img", "create", "-q", "-f", "raw", filepath.Join(dir, "base.raw"), "1M")
	tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", filepath.Join(dir, "base.raw"), "-F", "raw", path)
	return path
}

// Sources may be on a web server.
func TestConvertURL(t *testing.T) {
	raw, content, used := rawDisk(t, 512)
	dir := filepath.Dir(raw)
	tool(t, "qemu-img", "convert", "-O", "qcow2", raw, filepath.Join(dir, "disk.qcow2"))
	tool(t, "zstd", "-q", "-1", raw)
	if _, err := Convert(t.Context(), Options{Source: raw, Dest: filepath.Join(dir, "disk.img.zst")}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, name := range []string{"disk.raw", "disk.raw.zst", "disk.qcow2", "disk.img.zst"} {
		dest := filepath.Join(t.TempDir(), "a.zst")
		if _, err := Convert(t.Context(), Options{Source: server.URL + "/" + name, Dest: dest, Patience: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		if f := sound(t, dest); !f.Used.Equal(used) {
			t.Errorf("%s: %d bytes used, want %d", name, f.Used.Len(), used.Len())
		}
		same(t, name, decoded(t, read(t, dest)), masked(content, used))
	}
	if _, err := Convert(t.Context(), Options{Source: server.URL + "/none", Dest: filepath.Join(t.TempDir(), "a.zst")}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error is %v, want 404", err)
	}
}

// A block device is saved.
func TestConvertDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	raw, content, used := rawDisk(t, 512)
	out, err := exec.Command("losetup", "-f", "--show", "-r", raw).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device to be had: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	defer tool(t, "losetup", "-d", dev)
	dest := filepath.Join(t.TempDir(), "a.zst")
	if _, err := Convert(t.Context(), Options{Source: dev, Dest: dest, Sum: true}); err != nil {
		t.Fatal(err)
	}
	if f := sound(t, dest); !f.Used.Equal(used) {
		t.Errorf("%d bytes used, want %d", f.Used.Len(), used.Len())
	}
	same(t, dest, decoded(t, read(t, dest)), masked(content, used))
	tool(t, "sh", "-c", "cd "+filepath.Dir(dest)+" && sha256sum --quiet -c a.zst.sha256")
	for _, name := range []string{"whole.zst", "whole.ndz", "whole.raw"} {
		r, err := Convert(t.Context(), Options{Source: dev, Dest: filepath.Join(filepath.Dir(dest), name), Whole: true})
		if err != nil || r.Used != int64(len(content)) {
			t.Errorf("%s: %v; %+v, want all %d bytes in it", name, err, r, len(content))
		}
	}
}

// A sidecar that was there does not stay beside another file.
func TestConvertSum(t *testing.T) {
	source, content := orbitImage(t, 2*mib+512)
	dest := filepath.Join(t.TempDir(), "a.raw")
	for _, sum := range []bool{true, false} {
		r, err := Convert(t.Context(), Options{Source: source, Dest: dest, Sum: sum})
		if err != nil {
			t.Fatal(err)
		}
		same(t, dest, read(t, dest), content)
		if _, err := os.Stat(dest + sidecar); (err == nil) != sum || (r.SHA256 != "") != sum {
			t.Errorf("sum %t: sidecar %v, receipt %q", sum, err, r.SHA256)
		}
		if sum {
			tool(t, "sh", "-c", "cd "+filepath.Dir(dest)+" && sha256sum --quiet -c a.raw.sha256")
		}
	}
}

// Events tell of the beginning, the end, and all bytes.
func TestEvents(t *testing.T) {
	source, content := orbitImage(t, 5*mib+99)
	var states []api.State
	var last api.Event
	_, err := Convert(t.Context(), Options{Source: source, Dest: filepath.Join(t.TempDir(), "a.raw.zst"), Events: func(e api.Event) {
		if e.State != api.Progress {
			states = append(states, e.State)
		}
		last = e
	}})
	if err != nil || len(states) != 2 || states[0] != api.Started || last.State != api.Done || last.Bytes != int64(len(content)) || last.Total != last.Bytes {
		t.Errorf("%v: states %v, the last event %+v", err, states, last)
	}
}
