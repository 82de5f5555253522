package imagefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/sign"
)

// minisign accepts what is embedded, and what it makes can be embedded.
func TestMinisign(t *testing.T) {
	path, content := orbitImage(t, 2*mib+4096)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	key := newKey(t)
	if err := os.WriteFile(file("pub"), []byte(key.Public().File()), 0o644); err != nil {
		t.Fatal(err)
	}
	x := signed(t, path, key, "by us")
	same(t, path, decoded(t, read(t, path)), content)
	if err := errors.Join(os.WriteFile(file("root"), image.Signed(x.Root()), 0o644), os.WriteFile(file("root.minisig"), x.Signature, 0o644)); err != nil {
		t.Fatal(err)
	}
	tool(t, "minisign", "-Vm", file("root"), "-p", file("pub"))

	tool(t, "minisign", "-G", "-W", "-p", file("theirs.pub"), "-s", file("theirs"))
	tool(t, "minisign", "-S", "-s", file("theirs"), "-m", file("root"), "-x", file("theirs.minisig"), "-t", "by minisign")
	if _, err := Embed(t.Context(), path, func(*image.Index) ([]byte, error) { return read(t, file("theirs.minisig")), nil }); err != nil {
		t.Fatal(err)
	}
	theirs, err := sign.ParsePublicKey(string(read(t, file("theirs.pub"))))
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(t.Context(), VerifyOptions{Source: path, Keys: []sign.PublicKey{theirs}, Root: x.Root()})
	if err != nil || v.Comment != "by minisign" {
		t.Errorf("%v, %+v", err, v)
	}
	tool(t, "zstd", "-qt", path)
}

// What is signed again and again does not grow; its mode, links and sidecar are
// right.
func TestEmbedFile(t *testing.T) {
	path, _ := orbitImage(t, 2*mib)
	dir := filepath.Dir(path)
	before := read(t, path)
	link, other := filepath.Join(dir, "link"), filepath.Join(dir, "other")
	if err := errors.Join(os.Chmod(path, 0o640), os.Symlink(path, link), os.Link(path, other), os.WriteFile(path+sidecar, []byte("old"), 0o644)); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	signed(t, link, key, "one")
	once := len(read(t, path))
	signed(t, link, key, "two")
	st, err := os.Lstat(path)
	if err != nil || st.Mode() != 0o640 || int(st.Size()) != once || once <= len(before) {
		t.Errorf("mode %v, %d bytes, before %d, unsigned %d; %v", st.Mode(), st.Size(), once, len(before), err)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link has become a file")
	}
	same(t, "the file under its other name", read(t, other), before)
	tool(t, "sh", "-c", "cd "+dir+" && sha256sum --quiet -c disk.img.zst.sha256")
	sound(t, path)
	alone(t, dir, "disk.img.zst", "disk.img.zst.sha256", "link", "other")

	if err := os.Remove(path + sidecar); err != nil {
		t.Fatal(err)
	}
	signed(t, path, key, "three")
	alone(t, dir, "disk.img.zst", "link", "other")
}

func TestEmbedRefused(t *testing.T) {
	path, _ := orbitImage(t, mib)
	dir := filepath.Dir(path)
	good := read(t, path)
	part, text := filepath.Join(dir, "part"), filepath.Join(dir, "text")
	if err := errors.Join(os.WriteFile(part, difference(t, good), 0o644), os.WriteFile(text, []byte(strings.Repeat("text", 100)), 0o644)); err != nil {
		t.Fatal(err)
	}
	failing := errors.New("wrong password")
	for _, test := range []struct {
		name, path string
		sig        string
		err        error
		want       string
	}{
		{"no signature", path, "", nil, "signature"},
		{"nonsense", path, "nonsense", nil, "signature"},
		{"no key", path, "", failing, "wrong password"},
		{"difference", part, "", nil, "only the difference"},
		{"no image", text, "", nil, "no index"},
		{"no file", path + ".none", "", nil, "no such file"},
	} {
		_, err := Embed(t.Context(), test.path, func(*image.Index) ([]byte, error) { return []byte(test.sig), test.err })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %q", test.name, err, test.want)
		}
	}
	same(t, path, read(t, path), good)
	alone(t, dir, "disk.img.zst", "part", "text")
}
