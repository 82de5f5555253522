package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// begin starts an upload that can be resumed and sends text.
func begin(t *testing.T, s *Store, name, text string) *Upload {
	t.Helper()
	u, err := s.Begin(name, -1, "", func() {})
	if err == nil {
		_, err = io.WriteString(u, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func resume(t *testing.T, s *Store, id string) *Upload {
	t.Helper()
	u, err := s.Resume(t.Context(), id, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func contents(t *testing.T, s *Store, name string) string {
	t.Helper()
	f, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestResume interrupts an upload, restarts the head, and goes on.
func TestResume(t *testing.T) {
	for _, restart := range []string{"none", "clean", "killed"} {
		t.Run(restart, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			u := begin(t, s, "a", "hel")
			if restart != "killed" {
				if err := u.Release(); err != nil {
					t.Fatal(err)
				}
			}
			if restart != "none" {
				s = open(t, dir)
			}
			if _, err := s.Create("a", -1); !errors.Is(err, ErrBusy) {
				t.Errorf("another upload of the name: %v", err)
			}
			u = resume(t, s, u.ID())
			if u.Offset() != 3 || u.Complete() || u.Name() != "a" || s.Has("a") {
				t.Errorf("offset %d, complete %t", u.Offset(), u.Complete())
			}
			if _, err := io.WriteString(u, "lo"); err != nil {
				t.Fatal(err)
			}
			image, replaced, err := u.Commit(t.Context(), helloSum)
			if err != nil || replaced || image.Size != 5 || contents(t, s, "a") != "hello" {
				t.Errorf("commit: %+v, %t, %v", image, replaced, err)
			}
			for range 2 { // the sender may not have heard of it
				u = resume(t, s, u.ID())
				if !u.Complete() || u.Offset() != 5 {
					t.Errorf("afterwards: complete %t, offset %d", u.Complete(), u.Offset())
				}
				if err := u.Release(); err != nil {
					t.Error(err)
				}
				s = open(t, dir)
			}
			if diff := cmp.Diff([]string{partial + u.ID() + ".json", "a", "a.sha256"}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if err := resume(t, s, u.ID()).Abort(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"a", "a.sha256"}, names(t, dir)); diff != "" {
				t.Errorf("files in the end (-want +got):\n%s", diff)
			}
			if _, err := s.Resume(t.Context(), u.ID(), func() {}); !errors.Is(err, ErrUnknown) {
				t.Errorf("forgotten: %v", err)
			}
		})
	}
}

// TestPowerCut has the machine restart: what was not forced to disk is not
// believed.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	u := begin(t, s, "a", "hel")
	if err := u.Release(); err != nil {
		t.Fatal(err)
	}
	u = resume(t, s, u.ID())
	if _, err := io.WriteString(u, "LO"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, partial+u.ID()+".json")
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), bootID()) {
		t.Fatalf("%s, %v", data, err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), bootID(), "another")), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	u = resume(t, s, u.ID())
	if u.Offset() != 3 {
		t.Fatalf("offset %d; want the 3 bytes that were synced", u.Offset())
	}
	io.WriteString(u, "lo")
	if _, _, err := u.Commit(t.Context(), helloSum); err != nil {
		t.Error(err)
	}
}

// TestTakeOver has one request take an upload from another that still has it.
func TestTakeOver(t *testing.T) {
	s := open(t, t.TempDir())
	stopped := make(chan struct{})
	u, err := s.Begin("a", -1, "", func() { close(stopped) })
	if err != nil {
		t.Fatal(err)
	}
	var former sync.WaitGroup
	former.Go(func() {
		<-stopped
		io.WriteString(u, "last words")
		u.Release()
	})
	defer former.Wait() // it still writes after others can have the upload
	if v := resume(t, s, u.ID()); v.Offset() != 10 {
		t.Errorf("taken over at %d", v.Offset())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Resume(ctx, u.ID(), func() {}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for it: %v", err)
	}
}

func TestGrace(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenWith(dir, Options{Grace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	old := begin(t, s, "a", "old")
	if _, err := s.Begin("a", -1, "", func() {}); !errors.Is(err, ErrBusy) {
		t.Errorf("while the other is sending: %v", err)
	}
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	u := begin(t, s, "a", "hello")
	if _, err := s.Resume(t.Context(), old.ID(), func() {}); !errors.Is(err, ErrUnknown) {
		t.Errorf("the former upload: %v", err)
	}
	if _, _, err := u.Commit(t.Context(), helloSum); err != nil {
		t.Error(err)
	}
}

func TestExpiry(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	u := begin(t, s, "a", "hel")
	if err := u.Release(); err != nil {
		t.Fatal(err)
	}
	ago := time.Now().Add(-2 * DefaultKeep)
	if err := os.Chtimes(u.path, ago, ago); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if _, err := s.Resume(t.Context(), u.ID(), func() {}); !errors.Is(err, ErrUnknown) {
		t.Errorf("after a restart: %v", err)
	}
	s, err := OpenWith(dir, Options{Keep: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	u, active := begin(t, s, "a", "hel"), begin(t, s, "b", "hel")
	if err := u.Release(); err != nil {
		t.Fatal(err)
	}
	s.Expire()
	if diff := cmp.Diff([]string{partial + active.ID(), partial + active.ID() + ".json"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestDamagedRecords starts on what no orbitd wrote.
func TestDamagedRecords(t *testing.T) {
	dir := t.TempDir()
	id := strings.Repeat("ab", 16)
	for name, text := range map[string]string{
		partial + id + ".json": `{"name":"../../etc/passwd","length":-1}`,
		partial + id:           "x",
		partial + strings.Repeat("cd", 16) + ".json": `{"name":"a"`,
		partial + strings.Repeat("ef", 16) + ".json": `{"name":"a","length":-1}`, // no bytes
		partial + "short.json":                       `{"name":"a","length":-1}`,
		partial + "short":                            "x",
		partial + id + whole:                         "x",
		".tmp-x":                                     "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	if len(s.uploads)+len(s.names) > 0 {
		t.Errorf("%d uploads, %d names", len(s.uploads), len(s.names))
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenWith(dir, Options{MaxSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	if _, err := s.Begin("a", 6, "", func() {}); !errors.As(err, &limit) {
		t.Errorf("announced: %v", err)
	}
	u := begin(t, s, "a", "hello")
	if _, err := io.WriteString(u, "!"); !errors.As(err, &limit) || limit.Limit != 5 {
		t.Errorf("written: %v", err)
	}
	u.Abort()
	var length *LengthError
	u, err = s.Begin("a", 4, "", func() {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, "hello"); !errors.As(err, &length) {
		t.Errorf("longer than announced: %v", err)
	}
	if err := u.Announce(5); !errors.As(err, &length) {
		t.Errorf("announced otherwise: %v", err)
	}
	io.WriteString(u, "hel")
	if _, _, err := u.Commit(t.Context(), ""); !errors.As(err, &length) || length.Got != 3 {
		t.Errorf("shorter than announced: %v", err)
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// gzipTest is a verifier: the image must be what gzip can unpack.
func gzipTest(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "gzip", "-t", "-c", path).CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return nil
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.Command("gzip", "-c")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("gzip: %v", err)
	}
	return string(out)
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenWith(dir, Options{Verify: gzipTest})
	if err != nil {
		t.Fatal(err)
	}
	good := gzipped(t, strings.Repeat("hello", 1000))
	damaged := good[:len(good)-6] + "?" + good[len(good)-5:]
	sum := sha256.Sum256([]byte(damaged))
	var reject *RejectError
	for _, u := range []*Upload{begin(t, s, "a", damaged), upload(t, s, "b", damaged)} {
		if _, _, err := u.Commit(t.Context(), hex.EncodeToString(sum[:])); !errors.As(err, &reject) {
			t.Errorf("damaged: %v", err)
		}
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	for _, u := range []*Upload{begin(t, s, "a", good), upload(t, s, "b", good)} {
		if _, _, err := u.Commit(t.Context(), ""); err != nil {
			t.Errorf("good: %v", err)
		}
	}
	if contents(t, s, "a") != good || contents(t, s, "b") != good {
		t.Error("other images were stored")
	}
}

// TestVerifyStopped has the sender go away during the check, and come back.
func TestVerifyStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	s, err := OpenWith(dir, Options{Verify: func(ctx context.Context, path string) error {
		if tries++; tries == 1 {
			cancel()
		}
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	u := begin(t, s, "a", "hello")
	if _, _, err := u.Commit(ctx, helloSum); !errors.Is(err, context.Canceled) || s.Has("a") {
		t.Errorf("stopped: %v", err)
	}
	u = resume(t, s, u.ID())
	if u.Offset() != 5 {
		t.Errorf("offset %d", u.Offset())
	}
	if _, _, err := u.Commit(t.Context(), helloSum); err != nil || contents(t, s, "a") != "hello" {
		t.Errorf("second try: %v", err)
	}
}

// TestAssemble puts an upload together with the image it is based on.
func TestAssemble(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenWith(dir, Options{
		Assemble: func(ctx context.Context, uploaded, dest string) error {
			part, err := os.ReadFile(uploaded)
			name, rest, delta := strings.Cut(string(part), "+")
			if err != nil || !delta {
				return err
			}
			parent, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			return os.WriteFile(dest, append(parent, rest...), 0o600)
		},
		Verify: func(ctx context.Context, path string) error {
			if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), "hell") {
				return errors.New("not an image")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := upload(t, s, "parent", "hell").Commit(t.Context(), ""); err != nil || contents(t, s, "parent") != "hell" {
		t.Errorf("whole image: %v", err)
	}
	for _, u := range []*Upload{begin(t, s, "a", "parent+o"), upload(t, s, "b", "parent+o")} {
		image, _, err := u.Commit(t.Context(), "")
		if err != nil || image.Size != 5 || image.SHA256 != helloSum || s.SHA256(u.Name()) != helloSum || contents(t, s, u.Name()) != "hello" {
			t.Errorf("part: %+v, %v", image, err)
		}
		if st, err := os.Stat(filepath.Join(dir, u.Name())); err != nil || st.Mode().Perm() != 0o644 {
			t.Errorf("mode of an assembled image: %v, %v", st, err)
		}
	}
	var reject *RejectError
	if _, _, err := upload(t, s, "c", "none+o").Commit(t.Context(), ""); !errors.As(err, &reject) || s.Has("c") {
		t.Errorf("part without its parent: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, partial+"*"))
	if len(left) != 1 { // the record of a
		t.Errorf("left: %v", left)
	}
}
