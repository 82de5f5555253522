package boot

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOpensOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "own", Undionly), "own undionly")
	write(t, filepath.Join(dir, "system", Undionly), "system undionly")
	write(t, filepath.Join(dir, "system", SnpEFI), "system snp")
	write(t, filepath.Join(dir, "artifacts", "vmlinuz"), "kernel")
	write(t, filepath.Join(dir, "artifacts", "secret"), "secret")
	write(t, filepath.Join(dir, "secret"), "secret")
	f := Files{Loaders: []string{filepath.Join(dir, "own"), filepath.Join(dir, "system")}, Artifacts: filepath.Join(dir, "artifacts")}
	for _, test := range []struct{ name, want string }{
		{Undionly, "own undionly"},
		{"/" + Undionly, "own undionly"},
		{SnpEFI, "system snp"},
		{SnpEFI + "\xff", "system snp"},
		{"vmlinuz", "kernel"},
		{"initramfs", ""},
		{"secret", ""},
		{"../secret", ""},
		{"/../secret", ""},
		{"vmlinuz/../secret", ""},
		{"../artifacts/vmlinuz", ""},
		{"..\\secret", ""},
		{"//" + Undionly, ""},
		{NoFile, ""},
		{"", ""},
		{"/", ""},
	} {
		file, err := f.Open(test.name)
		if test.want == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open %q: error %v, want not exist", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("open %q: %v", test.name, err)
			continue
		}
		got, err := io.ReadAll(file)
		if string(got) != test.want || err != nil || file.Close() != nil {
			t.Errorf("open %q: read %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	if diff := cmp.Diff([]string{IPXEEFI, OrbitEFI, "initramfs"}, f.Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}
