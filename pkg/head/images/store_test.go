package images

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// upload starts an upload of text.
func upload(t *testing.T, s *Store, name, text string) *Upload {
	t.Helper()
	u, err := s.Create(name, -1)
	if err == nil {
		_, err = io.Copy(u, strings.NewReader(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

const helloSum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"

func TestUploadAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	u := upload(t, s, "a.zst", "hello")
	if s.Has("a.zst") {
		t.Error("image visible before it is complete")
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("list of an unfinished upload: %v, %v", list, err)
	}
	if _, err := s.Create("a.zst", -1); !errors.Is(err, ErrBusy) {
		t.Errorf("second upload of the same name: %v", err)
	}
	image, replaced, err := u.Commit(t.Context(), helloSum)
	if err != nil || replaced || image.SHA256 != helloSum || image.Size != 5 {
		t.Errorf("commit: %+v, %t, %v", image, replaced, err)
	}
	if diff := cmp.Diff([]string{"a.zst", "a.zst.sha256"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if path, err := exec.LookPath("sha256sum"); err == nil {
		cmd := exec.Command(path, "-c", "a.zst.sha256")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v\n%s", err, out)
		}
	}
	u = upload(t, s, "a.zst", "other")
	if _, replaced, err := u.Commit(t.Context(), ""); err != nil || !replaced {
		t.Errorf("replace: %t, %v", replaced, err)
	}
	if got := s.SHA256("a.zst"); got == helloSum || got == "" {
		t.Errorf("digest after replacing: %q", got)
	}
}

func TestFailedUploadLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var digest *DigestError
	if _, _, err := upload(t, s, "a", "hellO").Commit(t.Context(), helloSum); !errors.As(err, &digest) {
		t.Errorf("wrong digest: %v", err)
	}
	if err := upload(t, s, "a", "hel").Abort(); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	upload(t, s, "a", "hello") // and the head dies
	open(t, dir)
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind after a restart: %v", got)
	}
}

func TestNames(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"", ".", "..", ".hidden", "../up", "a/b", "/abs", "-flag", "a b", "a\x00", "a.sha256", "ü", strings.Repeat("a", 129), ".upload-1"} {
		var bad *NameError
		if _, err := s.Create(name, -1); !errors.As(err, &bad) {
			t.Errorf("create %q: %v", name, err)
		}
		if f, err := s.Open(name); err == nil {
			f.Close()
			t.Errorf("open %q allowed", name)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open("dir"); err == nil {
		t.Error("directory opened as an image")
	}
	if _, err := s.Open("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
}

// TestFullDisk uploads into a file system that is too small.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s := open(t, dir)
	var space *SpaceError
	if _, err := s.Create("big", 1<<20); !errors.As(err, &space) || space.Need != 1<<20 {
		t.Errorf("announced size too large: %v", err)
	}
	u, err := s.Create("big", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(make([]byte, 1<<20)); !errors.As(err, &space) {
		t.Errorf("write beyond the end of the disk: %v", err)
	}
	if err := u.Abort(); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}
