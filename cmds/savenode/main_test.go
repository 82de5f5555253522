package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// The tests run the program itself, in processes of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SAVENODE_TEST_RUN") != "" {
		main()
	}
	if os.Getenv("SAVENODE_TEST_PEAK") != "" {
		err := run(context.Background(), os.Stdin, io.Discard, os.Stderr, os.Args[1:])
		status, _ := os.ReadFile("/proc/self/status")
		os.Stdout.Write(status)
		os.Exit(code(os.Stderr, err))
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "SAVENODE_TEST_RUN=1")
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, bytes.Repeat([]byte("orbit"), 1<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(dir, "disk.zst")
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // parts of them
	}{
		{"help", []string{"--help"}, 0, "exit codes:", ""},
		{"json", []string{"--json", disk, saved}, 0, `"step":"write","state":"done"`, ""},
		{"saved", []string{"--sha256", disk, saved}, 0, "5.0 MiB in ", ""},
		{"one argument", []string{disk}, 2, "", "want DISK and DEST, got 1"},
		{"level", []string{"--level", "0", disk, saved}, 2, "", "want 1 to 22"},
		{"no such disk", []string{"serial=none-such", saved}, 3, "", "no disk matches"},
		{"no such directory", []string{disk, filepath.Join(dir, "no/x")}, 3, "", "no such file or directory"},
		{"a device", []string{disk, "/dev/zero"}, 3, "", "not a regular file"},
		{"nobody listens", []string{"--patience", "100ms", disk, "http://127.0.0.1:1/x"}, 1, "", "127.0.0.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := program(t, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d, want %d with %q and %q; stdout:\n%s\nstderr:\n%s", code, c.code, c.stdout, c.stderr, stdout, stderr)
			}
		})
	}
	if sum, err := os.ReadFile(saved + ".sha256"); err != nil || !strings.HasSuffix(string(sum), "  disk.zst\n") {
		t.Errorf("digest file: %q, %v", sum, err)
	}
}

// The name of the image tells its format, unless --format does.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, bytes.Repeat([]byte("orbit"), 1<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	var body []byte
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer web.Close()
	for _, c := range []struct {
		format, dest string
		ndz          bool
	}{
		{"", "a.ndz", true},
		{"", "A.NDZ", true},
		{"", "a.img.zst", false},
		{"", "a?b.ndz", true},
		{"orbit", "b.ndz", false},
		{"ndz", "b.zst", true},
		{"", web.URL + "/images/a.ndz", true},
		{"", web.URL + "/images/a.ndz?x=y.zst", true},
		{"", web.URL + "/images/a.zst?x=y.ndz", false},
	} {
		args := []string{"--format", c.format, disk, c.dest}
		if c.format == "" {
			args = args[2:]
		}
		url := strings.HasPrefix(c.dest, "http")
		if !url {
			args[len(args)-1] = filepath.Join(dir, c.dest)
		}
		body = nil
		if _, stderr, code := program(t, args...); code != 0 {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
			continue
		}
		got := body
		if !url {
			got, _ = os.ReadFile(args[len(args)-1])
		}
		if ndz.Sniff(got[:min(len(got), ndz.HeaderSize)]) != c.ndz {
			t.Errorf("%s: an .ndz is %v, want %v", args, !c.ndz, c.ndz)
		}
	}
}

// With the image on standard output nothing else is.
func TestStdout(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	want := bytes.Repeat([]byte("orbit"), 1<<20)
	if err := os.WriteFile(disk, want, 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := program(t, disk, "-")
	r, err := stream.NewReader(strings.NewReader(stdout), stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) || code != 0 {
		t.Errorf("exit %d, %d bytes of %d, %v", code, got.Len(), len(want), err)
	}
	if !strings.Contains(stderr, "write ") {
		t.Errorf("no progress on standard error: %q", stderr)
	}
}
