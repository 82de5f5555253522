package maptest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// Tree describes every file below dir by its path: type, mode, owner, size,
// and a digest of its content or where it points.
func Tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text := info.Mode().String()
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			text += fmt.Sprintf(" %d:%d", s.Uid, s.Gid)
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		case info.Mode().IsRegular():
			sum, err := digest(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %s", info.Size(), sum)
		}
		tree[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Keep makes a copy of a volume that has only what m says is used: all else is
// random bytes, as on a disk that had another life.
func Keep(t testing.TB, volume string, m *fsmap.Map) string {
	t.Helper()
	in, size := Open(t, volume)
	if end := m.Used.End(); end > m.Size || m.Size > size {
		t.Fatalf("map ends at %d, covers %d bytes, of a volume of %d", end, m.Size, size)
	}
	path := File(t, size)
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	noise := rand.NewChaCha8([32]byte{9})
	if _, err := io.Copy(out, io.LimitReader(noise, size)); err != nil {
		t.Fatal(err)
	}
	for r := range m.Used.All() {
		if _, err := io.Copy(io.NewOffsetWriter(out, r.Off), io.NewSectionReader(in, r.Off, r.Len())); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Superset fails where used leaves out bytes of what another tool says is
// used, and with exact also where it has more.
func Superset(t testing.TB, used, want extent.Set, exact bool) {
	t.Helper()
	if lost := want.Subtract(used); !lost.Empty() {
		t.Errorf("map loses %d bytes in %d ranges that are used, the first: %v", lost.Len(), lost.Count(), lost.Ranges()[0])
	}
	if more := used.Subtract(want); exact && !more.Empty() {
		t.Errorf("map has %d bytes in %d ranges more than are used, the first: %v", more.Len(), more.Count(), more.Ranges()[0])
	}
}
