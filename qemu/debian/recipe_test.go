package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecipe(t *testing.T) {
	a, err := loadRecipe()
	if err != nil {
		t.Fatal(err)
	}
	b, err := loadRecipe()
	if err != nil {
		t.Fatal(err)
	}
	if a.key != b.key || a.rootUUID != b.rootUUID || a.diskID != b.diskID {
		t.Errorf("the same recipe gives %v and %v, want the same identifiers", a, b)
	}
	if a.rootUUID == a.rootPart || a.rootPart == a.espPart {
		t.Error("two things have the same identifier")
	}
	if !slices.Contains(a.packages, "linux-image-amd64") {
		t.Errorf("packages %q lack a kernel", a.packages)
	}
}

func TestHostSources(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{name: "none"},
		{name: "one line", files: map[string]string{"sources.list": "# comment\n" +
			"deb http://mirror.example/debian bookworm main contrib # ours\n" +
			"deb-src http://mirror.example/debian bookworm main\n" +
			"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/security bookworm-security main\n" +
			"deb http://mirror.example/debian trixie main\n" +
			"deb http://other.example/apt sdk-bookworm main\n"},
			want: []string{
				"deb http://mirror.example/debian bookworm main contrib\n",
				"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/security bookworm-security main\n"}},
		{name: "deb822", files: map[string]string{"sources.list.d/debian.sources": "Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n" +
			"Types: deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n\n" +
			"Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\nComponents: main\n\n" +
			"Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"},
			want: []string{"Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"}},
		{name: "other files", files: map[string]string{"sources.list.d/debian.list.save": "deb http://mirror.example/debian bookworm main\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := hostSources(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPatchBootImages(t *testing.T) {
	images := bootImages{boot: make([]byte, 512), core: make([]byte, 5*512+100)}
	if err := images.patch(); err != nil {
		t.Fatal(err)
	}
	if lba := binary.LittleEndian.Uint64(images.boot[0x5c:]); lba != 2048 {
		t.Errorf("boot.img loads sector %d, want that of the BIOS boot partition, 2048", lba)
	}
	list := images.core[500:]
	if lba, n := binary.LittleEndian.Uint64(list), binary.LittleEndian.Uint16(list[8:]); lba != 2049 || n != 5 {
		t.Errorf("core.img loads %d sectors from %d, want 5 from 2049", n, lba)
	}
	short := bootImages{boot: make([]byte, 512), core: make([]byte, 100)}
	if err := short.patch(); err == nil {
		t.Error("a core image of 100 bytes is accepted")
	}
}

// A copy has the data, the holes and the time of the original.
func TestCopySparse(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	f, err := os.Create(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 64 << 20
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("middle"), size/2); err != nil {
		t.Fatal(err)
	}
	if err := copySparse(src, dst); err != nil {
		t.Fatal(err)
	}
	if same, err := sameFile(src, dst); err != nil || !same {
		t.Errorf("copy is another file: %v, %v", same, err)
	}
	got, err := os.ReadFile(dst)
	if err != nil || len(got) != size || string(got[size/2:size/2+6]) != "middle" {
		t.Errorf("copy of %d bytes, %v", len(got), err)
	}
}
