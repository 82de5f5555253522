package cpio

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var sample = []Entry{
	Dir("dev", 0o755),
	CharDevice("dev/console", 0o600, 5, 1),
	Dir("bbin", 0o755),
	File("bbin/bb", 0o755, []byte("a binary\x00of 18 bytes")),
	Link("bbin/ls", "bb"),
	File("empty", 0o644, nil),
	File("odd", 0o600, []byte("12345")),
}

func archive(t *testing.T, entries []Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, e := range entries {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(r io.Reader) ([]Entry, error) {
	var entries []Entry
	for cr := NewReader(r); ; {
		e, err := cr.Next()
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
}

func TestRoundTrip(t *testing.T) {
	a := archive(t, sample)
	if len(a)%512 != 0 {
		t.Errorf("the archive is %d bytes long, no multiple of 512", len(a))
	}
	got, err := readAll(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// The real cpio must see what we wrote.
func TestForeignReader(t *testing.T) {
	path, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio command here")
	}
	cmd := exec.Command(path, "-itv", "--quiet", "--numeric-uid-gid")
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C"}
	cmd.Stdin = bytes.NewReader(archive(t, sample))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	for _, want := range []string{
		"drwxr-xr-x   2 0        0               0 Jan  1  1970 dev\n",
		"crw-------   1 0        0          5,   1 Jan  1  1970 dev/console\n",
		"-rwxr-xr-x   1 0        0              20 Jan  1  1970 bbin/bb\n",
		" bbin/ls -> bb\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("cpio does not list %q:\n%s", want, out)
		}
	}
}

func TestTruncated(t *testing.T) {
	a := archive(t, sample)
	end := bytes.Index(a, []byte(trailer)) + len(trailer) + 1
	for n := range end {
		if _, err := readAll(bytes.NewReader(a[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v, want unexpected EOF", n, end, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	tests := []struct {
		name   string
		at     int
		bytes  string
		reason string
	}{
		{"magic", 0, "070702", "magic"},
		{"digits", 14, "0000x1ED", "not a number"},
		{"sign", 14, "+00001ED", "not a number"},
		{"huge data", 54, "FFFFFFFF", "cannot be"},
		{"no name", 94, "00000000", "cannot be"},
		{"long name", 94, "00010000", "cannot be"},
		{"NUL inside the name", 111, "\x00", "NUL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := archive(t, sample)
			copy(a[tt.at:], tt.bytes)
			_, err := readAll(bytes.NewReader(a))
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(format.Reason, tt.reason) {
				t.Errorf("got %v, want a format error about %q", err, tt.reason)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("x", maxName)} {
		if err := NewWriter(io.Discard).Write(File(name, 0o644, nil)); err == nil {
			t.Errorf("a name of %d bytes was accepted", len(name))
		}
	}
}

func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, e := range sample {
		w.Write(e)
	}
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := readAll(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := readAll(bytes.NewReader(archive(t, entries)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("after writing it again (-want +got):\n%s", diff)
		}
	})
}
