package transfer

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.img")
	data := content(3 << 20)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, data) || s.Size() != int64(len(data)) || s.Name() != path {
		t.Errorf("%d bytes of %d from %s, %v", len(got), s.Size(), s.Name(), err)
	}
	s, err = Open(t.Context(), "-", strings.NewReader("piped"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s); err != nil || string(got) != "piped" || s.Size() != -1 {
		t.Errorf("stdin: %q, size %d, %v", got, s.Size(), err)
	}
	for source, want := range map[string]string{"": "no path", dir: "is a directory", filepath.Join(dir, "none"): "no such file", "http:///x": "not a URL with a host"} {
		if _, err := Open(t.Context(), source, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: %v; want %q", source, err, want)
		}
	}
}

func TestPasswordHidden(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := read(t, strings.Replace(srv.URL, "//", "//me:geheim@", 1), quick(t))
	if err == nil || strings.Contains(fmt.Sprint(err), "geheim") {
		t.Errorf("%v", err)
	}
}
