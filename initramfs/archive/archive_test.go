package archive

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/therootcompany/xz"

	"github.com/orbit-pxe/orbit/initramfs/cpio"
)

func TestLayout(t *testing.T) {
	tree, err := Layout(Content{
		Binary:  []byte("binary"),
		Names:   []string{"orbit", "init", "ls"},
		Files:   fstest.MapFS{"etc/hosts": {Data: []byte("127.0.0.1 localhost\n"), Mode: 0o600}},
		Version: "v1", Commit: "abc",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range tree.Entries() {
		switch e.Mode & cpio.TypeMask {
		case cpio.Symlink:
			got = append(got, fmt.Sprintf("%s -> %s", e.Name, e.Data))
		default:
			got = append(got, fmt.Sprintf("%06o %s", e.Mode, e.Name))
		}
	}
	want := []string{
		"040755 bbin", "100755 bbin/bb", "bbin/init -> bb", "bbin/ls -> bb", "bbin/orbit -> bb",
		"bin -> bbin",
		"040755 dev", "020600 dev/console", "020666 dev/null",
		"040755 etc", "100644 etc/hosts", "etc/mtab -> ../proc/self/mounts", "100644 etc/os-release",
		"040755 etc/ssl", "040755 etc/ssl/certs", "100644 etc/ssl/certs/ca-certificates.crt",
		"init -> bbin/bb",
		"040755 mnt", "040555 proc", "040700 root", "040755 run", "sbin -> bbin", "040555 sys", "041777 tmp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestRoots(t *testing.T) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots()) {
		t.Fatal("Go finds no certificate in the file")
	}
	if n := bytes.Count(roots(), []byte("BEGIN CERTIFICATE")); n < 100 {
		t.Errorf("only %d certificates", n)
	}
}

// What -add brings in must not depend on the umask or on who owns the files.
func TestPutPath(t *testing.T) {
	src := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"blob.bin": 0o600, "run.sh": 0o700, "ice/ddp.pkg": 0o664} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("ddp.pkg", src+"/ice/link"); err != nil {
		t.Fatal(err)
	}
	var tree Tree
	if err := tree.PutPath(src, "/lib/firmware"); err != nil {
		t.Fatal(err)
	}
	if err := tree.PutPath(src+"/run.sh", "/usr/bin/tool"); err != nil {
		t.Fatal(err)
	}
	want := []cpio.Entry{
		cpio.Dir("lib", 0o755),
		cpio.Dir("lib/firmware", 0o755),
		cpio.File("lib/firmware/blob.bin", 0o644, []byte("blob.bin")),
		cpio.Dir("lib/firmware/ice", 0o755),
		cpio.File("lib/firmware/ice/ddp.pkg", 0o644, []byte("ice/ddp.pkg")),
		cpio.Link("lib/firmware/ice/link", "ddp.pkg"),
		cpio.File("lib/firmware/run.sh", 0o755, []byte("run.sh")),
		cpio.Dir("usr", 0o755),
		cpio.Dir("usr/bin", 0o755),
		cpio.File("usr/bin/tool", 0o755, []byte("run.sh")),
	}
	if diff := cmp.Diff(want, tree.Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if err := tree.PutPath(src+"/run.sh", "/"); err == nil {
		t.Error("a file was accepted as the root directory")
	}
	if err := tree.PutPath(src+"/missing", "/x"); err == nil {
		t.Error("a missing file was accepted")
	}
}

// The order of adding must not show.
func TestOrder(t *testing.T) {
	entries := []cpio.Entry{cpio.File("b/x", 0o644, []byte("x")), cpio.Link("a", "b"), cpio.Dir("b", 0o700), cpio.Dir("b-c", 0o755)}
	write := func(entries []cpio.Entry) []byte {
		var tree Tree
		for _, e := range entries {
			tree.Put(e)
		}
		var buf bytes.Buffer
		if _, err := tree.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	forward := write(entries)
	slices.Reverse(entries)
	if backward := write(entries); !bytes.Equal(forward, backward) {
		t.Error("the archive depends on the order of adding")
	}
}

// The kernel's decoder allocates the dictionary that the stream asks for; we
// promise 8 MiB.
func TestCompress(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("no xz command here")
	}
	t.Setenv("XZ_DEFAULTS", "-0")
	raw := []byte(strings.Repeat("an archive of some length ", 1<<20))
	packed, err := Compress(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Compress(t.Context(), raw)
	if err != nil || !bytes.Equal(packed, again) {
		t.Errorf("the second time differs (%v)", err)
	}
	const crc32 = 1
	if kind := packed[7]; kind != crc32 {
		t.Errorf("check of kind %d, which the kernel may not know", kind)
	}
	r, err := xz.NewReader(bytes.NewReader(packed), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("unpacked %d bytes, %v; want the %d that went in", len(got), err, len(raw))
	}
}
