package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// The tests run the program itself, in processes of its own.
func TestMain(m *testing.M) {
	if os.Getenv("IMAGENODE_TEST_RUN") != "" {
		main()
	}
	if os.Getenv("IMAGENODE_TEST_PEAK") != "" {
		err := run(context.Background(), os.Stdin, io.Discard, os.Stderr, os.Args[1:])
		status, _ := os.ReadFile("/proc/self/status")
		os.Stdout.Write(status)
		os.Exit(code(os.Stderr, err))
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "IMAGENODE_TEST_RUN=1")
	return cmd
}

const mib = 1 << 20

// image is a disk image with a GPT, half of it zeros.
func diskImage(t *testing.T, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{7})
	for at := mib; at+2*mib < size; at += 2 * mib {
		random.Read(b[at : at+mib])
	}
	g, err := partition.NewGPT(int64(size), 512, partition.GUID{1}, []partition.Entry{{Type: partition.LinuxData, ID: partition.GUID{2}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Pieces() {
		copy(b[p.Off:], p.Data)
	}
	return b
}

func packed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := stream.NewWriter(&out, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw := diskImage(t, 16*mib)
	good := file("image.zst", packed(t, raw))
	cut := file("cut.zst", packed(t, raw)[:5*mib])
	disk := filepath.Join(dir, "disk")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string // part of it
		stderr string
	}{
		{"help", []string{"--help"}, 0, "exit codes:", ""},
		{"written", []string{good, disk}, 0, "16 MiB in ", ""},
		{"dry run", []string{"--dry-run", good, disk}, 0, "image ", ""},
		{"dry run refused", []string{"--dry-run", "--size", "8M", good, disk}, 3, "refused  disk ", "is too small"},
		{"no arguments", nil, 2, "", "want SOURCE and DISK, got 0"},
		{"unknown flag", []string{"--no-such", good, disk}, 2, "", "flag provided but not defined"},
		{"bad digest", []string{"--sha256", "12", good, disk}, 2, "", "64 hexadecimal digits"},
		{"bad size", []string{"--size", "many", good, disk}, 2, "", "is not a size"},
		{"no such disk", []string{good, "serial=none-such"}, 3, "", "no disk matches"},
		{"too small", []string{"--size", "8M", good, disk}, 3, "", "is too small"},
		{"404", []string{server.URL + "/x", disk}, 3, "", "404"},
		{"wrong digest", []string{"--sha256", strings.Repeat("0", 64), good, disk}, 1, "", "left without a partition table"},
		{"cut", []string{cut, disk}, 1, "", "ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := program(t, c.args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit %d, want %d with %q and %q; stdout:\n%s\nstderr:\n%s", got, c.code, c.stdout, c.stderr, &stdout, &stderr)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	dir := t.TempDir()
	receipt := filepath.Join(dir, "receipt")
	cmd := program(t, "--json", "--verify=disk", "--receipt", receipt, "-", filepath.Join(dir, "disk"))
	cmd.Stdin = bytes.NewReader(packed(t, diskImage(t, 16*mib)))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var last api.Event
	events, printed, _ := strings.Cut(string(out), `{"receipt":`)
	for line := range strings.Lines(events) {
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Step == "" || last.Time.IsZero() {
			t.Errorf("%q is no event: %v", line, err)
		}
	}
	if last.Step != api.Commit || last.State != api.Done {
		t.Errorf("last event is %+v", last)
	}
	text, err := os.ReadFile(receipt)
	if err != nil {
		t.Fatal(err)
	}
	var r imaging.Receipt
	if err := json.Unmarshal(text, &r); err != nil || r.Bytes != 16*mib || len(r.SHA256) != 64 {
		t.Errorf("receipt %s: %v", text, err)
	}
	var again imaging.Receipt
	if err := json.Unmarshal([]byte(strings.TrimSuffix(printed, "}\n")), &again); err != nil || !cmp.Equal(r, again) {
		t.Errorf("receipt as printed: %s: %v", printed, err)
	}
}

// TestReceiptFirst wants a receipt where none can be: nothing is written.
func TestReceiptFirst(t *testing.T) {
	dir := t.TempDir()
	good, disk := filepath.Join(dir, "good.img.zst"), filepath.Join(dir, "disk")
	if err := os.WriteFile(good, packed(t, diskImage(t, 16*mib)), 0o666); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := program(t, "--receipt", filepath.Join(dir, "none", "receipt"), good, disk)
	cmd.Stderr = &stderr
	cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(stderr.String(), "nothing was changed") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	if _, err := os.Stat(disk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the disk was written: %v", err)
	}
}

// TestReadBackReceipt prints what is proven.
func TestReadBackReceipt(t *testing.T) {
	dir := t.TempDir()
	good, disk := filepath.Join(dir, "good.img.zst"), filepath.Join(dir, "disk")
	if err := os.WriteFile(good, packed(t, diskImage(t, 16*mib)), 0o666); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(packed(t, diskImage(t, 16*mib)))
	hash := hex.EncodeToString(sum[:])
	out, err := program(t, "--verify=disk", "--sha256", hash, good, disk).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "read back at 20") || !strings.Contains(string(out), "sha256 "+hash) {
		t.Errorf("printed %s", out)
	}
}

// A signal in the middle of a transfer ends it at once, without a table on the disk.
func TestSignals(t *testing.T) {
	raw := diskImage(t, 32*mib)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		disk := filepath.Join(t.TempDir(), "disk")
		var stdout, stderr bytes.Buffer
		cmd := program(t, "--json", "--size", "32M", "-", disk)
		cmd.Stderr = &stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Write(raw[:20*mib]) // taken means that the writing has begun
		cmd.Process.Signal(signal)
		io.Copy(&stdout, out)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			t.Fatalf("%v: still running", signal)
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "left without a partition table") {
			t.Errorf("%v: exit %d, stderr %s", signal, code, &stderr)
		}
		b, err := os.ReadFile(disk)
		if err != nil {
			t.Fatal(err)
		}
		if table, err := partition.Read(bytes.NewReader(b), 512); err != nil || table.Scheme != partition.SchemeNone {
			t.Errorf("%v: the disk has a table: %+v, %v", signal, table, err)
		}
	}
}
