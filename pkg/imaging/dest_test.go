package imaging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// What a save of the same process number left behind, before a restart, is in
// nobody's way.
func TestDestLeftOver(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "x.img.zst")
	left := filepath.Join(filepath.Dir(dest), fmt.Sprintf(".x.img.zst.%d.partial", os.Getpid()))
	if err := os.WriteFile(left, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	disk := content(2, 3*mib)
	if _, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", disk), Dest: dest}); err != nil {
		t.Fatal(err)
	}
	same(t, dest, unpack(t, bytesOf(t, dest)), disk)
}

// No sidecar lies beside another's file: not when there is no new one, and not
// when the image cannot have its name.
func TestDestSidecar(t *testing.T) {
	dir := t.TempDir()
	real, dest := filepath.Join(dir, "x.img.zst"), filepath.Join(dir, "link")
	if err := os.Symlink("x.img.zst", dest); err != nil {
		t.Fatal(err)
	}
	disk := store(t, "disk", content(2, 3*mib))
	for _, path := range []string{real, dest} {
		for _, sum := range []bool{true, false} {
			r, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: path, Sum: sum})
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(real + ".sha256")
			switch {
			case sum && string(got) != r.SHA256+"  x.img.zst\n":
				t.Errorf("%s: the sidecar has %q, %v; want %s", path, got, err, r.SHA256)
			case !sum && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("%s: the old sidecar is still there: %q, %v", path, got, err)
			}
		}
	}
	if st, err := os.Lstat(dest); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link was replaced: %v, %v", st, err)
	}

	d, err := openDest(t.Context(), SaveOptions{Dest: real, Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	d.Write([]byte("another"))
	if err := errors.Join(os.WriteFile(real+".sha256", nil, 0o666), os.Remove(real), os.Mkdir(real, 0o777)); err != nil { // in the way
		t.Fatal(err)
	}
	if err := d.publish(t.Context()); err == nil {
		t.Error("a directory became an image")
	}
	if _, err := os.Stat(real + ".sha256"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old sidecar is still there: %v", err)
	}
	if left, _ := filepath.Glob(dir + "/.*.partial"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
