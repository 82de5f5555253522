//go:build !node

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// realImages is where images are that the real tools wrote.
const realImages = "../../../shared/testdata/ndz"

func realImage(t *testing.T, name string) []byte {
	t.Helper()
	return ndztest.Golden(t, filepath.Join(realImages, name))
}

func TestNdzInspect(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mbr-ext234-swap-2016", "ext2-fragmented-v3", "lilo-slice-v4", "raw-v1", "raw-v4-signed-encrypted", "oddfile-v3"} {
		store(t, dir, name+".ndz", realImage(t, name+".ndz.gz"))
	}
	for _, name := range []string{"raw-v4-signed-encrypted.skey", "encryption-key.hex"} {
		store(t, dir, name, realImage(t, name))
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	outputs := map[string]string{}
	in := func(where, args string) string {
		t.Helper()
		list := strings.Fields(args)
		for i, arg := range list {
			switch {
			case strings.HasSuffix(arg, ".ndz"):
				list[i] = where + "/" + arg
			case !strings.HasPrefix(arg, "--"):
				list[i] = dir + "/" + arg
			}
		}
		out, errs, status := orbit(t, append([]string{"image", "inspect"}, list...)...)
		if status != 0 || errs != "" {
			t.Fatalf("%s: %d %s", args, status, errs)
		}
		return strings.ReplaceAll(out, where+"/", "")
	}
	for name, args := range map[string]string{
		"ndz-disk.txt":      "mbr-ext234-swap-2016.ndz",
		"ndz-chunks.txt":    "--chunks ext2-fragmented-v3.ndz",
		"ndz-partition.txt": "lilo-slice-v4.ndz",
		"ndz.json":          "--json --chunks lilo-slice-v4.ndz",
		"ndz-v1.txt":        "raw-v1.ndz",
		"ndz-odd.txt":       "oddfile-v3.ndz",
		"ndz-no-key.txt":    "raw-v4-signed-encrypted.ndz",
		"ndz-keys.txt":      "--ndz-key encryption-key.hex --ndz-key raw-v4-signed-encrypted.skey raw-v4-signed-encrypted.ndz",
	} {
		outputs[name] = in(dir, args)
		golden(t, name, outputs[name])
		golden(t, name, in(server.URL, args))
	}
	var d ndzDescription
	if err := json.Unmarshal([]byte(outputs["ndz.json"]), &d); err != nil || d.Chunks != 1 || len(d.List) != 1 || len(d.List[0].Relocations) != 10 {
		t.Errorf("JSON: %v, %+v", err, d)
	}
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Nothing is left of what was expanded to look at it.
func TestNdzNoTraces(t *testing.T) {
	dir := t.TempDir()
	store(t, dir, "a.ndz.gz", gzipped(t, realImage(t, "mbr-ext234-swap-2016.ndz.gz")))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, verb := range []string{"verify", "inspect"} {
		if out, errs, status := orbit(t, "image", verb, server.URL+"/a.ndz.gz"); status != 0 {
			t.Errorf("%s: %d %s%s", verb, status, out, errs)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestNdzCodes(t *testing.T) {
	dir := t.TempDir()
	plain := realImage(t, "mbr-ext234-swap-2016.ndz.gz")
	bad := bytes.Clone(plain)
	bad[9000] ^= 1
	odd := realImage(t, "oddfile-v3.ndz.gz")
	odd[44] = 77
	for name, b := range map[string][]byte{
		"a.ndz": plain, "bad.ndz": bad, "cut.ndz": plain[:len(plain)-1], "odd.ndz": odd, "sealed.ndz": realImage(t, "raw-v4-signed-encrypted.ndz.gz"),
		"s.skey": realImage(t, "raw-v4-signed-encrypted.skey"), "other.skey": realImage(t, "raw-v4-signed.skey"), "c.ekey": realImage(t, "encryption-key.hex"),
		"secret": []byte("5ec2e7"), "old.ndz": ndztest.Version1(realImage(t, "mbr-ext234-swap-2011.ndz.gz"), false),
		"end.ndz": realImage(t, "ext2-fragmented-v3.ndz.gz")[:2<<20], "head.ndz": plain[:2000],
	} {
		store(t, dir, name, b)
		if filepath.Ext(name) == ".ndz" {
			store(t, dir, name+".gz", gzipped(t, b))
		}
	}
	store(t, dir, "half.ndz.gz", gzipped(t, plain)[:50000])
	store(t, dir, "disk.img.gz", gzipped(t, make([]byte, 1<<20)))
	t.Chdir(dir)
	for _, test := range []struct {
		args   string
		status int
		words  string // in what is printed
	}{
		{"verify a.ndz", 0, "a.ndz is sound: .ndz version 3, 1 chunk, 12 MiB in use of 64 MiB"},
		{"verify --json a.ndz", 0, `"step":"verify","state":"done"`},
		{"verify bad.ndz", 3, "chunk 0"},
		{"verify cut.ndz", 3, "cut short"},
		{"verify odd.ndz", 3, "relocation"},
		{"verify head.ndz", 3, "cut short"},
		{"verify end.ndz", 3, "its filesystem needs"},
		{"inspect end.ndz", 0, "its filesystem needs"},
		{"convert end.ndz b.raw", 3, "its filesystem needs"},
		{"verify old.ndz", 0, "of 59 MiB"},
		{"inspect old.ndz", 0, "of 10 MiB it does not say"},
		{"verify sealed.ndz", 4, "there is no key"},
		{"verify --ndz-key s.skey sealed.ndz", 4, "encrypted"},
		{"verify --ndz-key other.skey --ndz-key c.ekey sealed.ndz", 4, "signature is not by this key"},
		{"verify --ndz-key s.skey --ndz-key c.ekey sealed.ndz", 0, "sound"},
		{"verify --ndz-key s.skey a.ndz", 4, "not signed"},
		{"verify --ndz-key s.skey --ndz-key other.skey a.ndz", 2, "already"},
		{"verify --ndz-key none a.ndz", 2, "no such file"},
		{"verify --ndz-key secret a.ndz", 2, "6 digits, expected 64"},
		{"verify --root " + strings.Repeat("1", 64) + " a.ndz", 4, "no root"},
		{"inspect cut.ndz", 3, "cut short"},
		{"verify a.ndz.gz", 0, "a.ndz.gz is sound: .ndz version 3, 1 chunk, 12 MiB in use of 64 MiB"},
		{"verify bad.ndz.gz", 3, "chunk 0"},
		{"verify end.ndz.gz", 3, "its filesystem needs"},
		{"verify half.ndz.gz", 3, "half.ndz.gz"},
		{"verify disk.img.gz", 3, "not an Orbit image"},
		{"verify --ndz-key s.skey --ndz-key c.ekey sealed.ndz.gz", 0, "sound"},
		{"inspect a.ndz.gz", 0, "version 3"},
		{"inspect cut.ndz.gz", 3, "cut short"},
		{"inspect half.ndz.gz", 3, "half.ndz.gz"},
		{"inspect disk.img.gz", 3, "not an Orbit image"},
		{"inspect odd.ndz", 3, "relocation"},
		{"inspect --root a.ndz", 3, "not an Orbit image"},
		{"convert a.ndz a.img.zst", 0, "ndz"},
		{"verify a.img.zst", 0, "sound"},
		{"convert --partition 3 --ndz-version 5 --ndz-id 00112233-4455-6677-8899-aabbccddeeff a.img.zst p.ndz", 0, "p.ndz: 20 MiB"},
		{"inspect p.ndz", 0, "00112233445566778899aabbccddeeff"},
		{"convert --ndz-at 2048+40960 p.ndz p.raw", 0, "20 MiB"},
		{"convert --ndz-at 2048 p.ndz p.raw", 2, "START+COUNT"},
		{"convert --ndz-id 12 a.ndz b.ndz", 2, "32 hexadecimal digits"},
		{"convert --ndz-id 00112233445566778899aabbccddeeff a.ndz b.ndz", 1, "only versions 4 and 5"},
		{"convert --ndz-version 6 a.ndz b.ndz", 1, "want 2 to 5"},
		{"convert --ndz-version 3 a.ndz b.zst", 1, "are for .ndz images"},
		{"convert bad.ndz b.zst", 3, "chunk 0"},
		{"convert sealed.ndz b.zst", 4, "no key"},
		{"convert --ndz-key s.skey --ndz-key c.ekey sealed.ndz b.ndz", 0, "8.0 MiB"},
	} {
		out, errs, status := orbit(t, append([]string{"image"}, strings.Fields(test.args)...)...)
		if status != test.status || !strings.Contains(out+errs, test.words) {
			t.Errorf("%s: status %d, want %d; %q in\n%s%s", test.args, status, test.status, test.words, out, errs)
		}
		if strings.Contains(out+errs, "5ec2e7") {
			t.Errorf("%s prints a key", test.args)
		}
	}
}
