package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

func TestPut(t *testing.T) {
	data := content(5 << 20)
	sum := sha256.Sum256(data)
	var got []byte
	var trailer, expect string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expect = r.Header.Get("Expect")
		got, _ = io.ReadAll(r.Body)
		trailer = r.Trailer.Get("Repr-Digest")
		w.Header().Set("Location", "/images/x")
		w.WriteHeader(http.StatusCreated)
	}))
	defer srv.Close()
	res, err := Put(t.Context(), srv.URL+"/x", bytes.NewReader(data), quick(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; trailer != want {
		t.Errorf("trailer %q; want %q", trailer, want)
	}
	if want := (PutResult{Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Location: "/images/x"}); res != want {
		t.Errorf("result %+v; want %+v", res, want)
	}
	if !bytes.Equal(got, data) || expect != "100-continue" {
		t.Errorf("server has %d bytes, Expect %q", len(got), expect)
	}
}

// TestPutBodyFails checks, on the wire, that a failed body never looks complete.
func TestPutBodyFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type verdict struct {
		n   int
		err error
	}
	seen := make(chan verdict, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			seen <- verdict{0, err}
			return
		}
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		body, err := io.ReadAll(req.Body)
		seen <- verdict{len(body), err}
	}()
	broken := errors.New("read /dev/sda: input/output error")
	body := io.MultiReader(bytes.NewReader(content(1<<20)), iotest.ErrReader(broken))
	_, err = Put(t.Context(), "http://"+l.Addr().String()+"/x", body, quick(t))
	if !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	if v := <-seen; v.err == nil {
		t.Errorf("the server saw a complete body of %d bytes", v.n)
	}
}

// TestPutRefused checks that a refusal is shown, and comes before the body is begun.
func TestPutRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "image is being written by another node", http.StatusConflict)
	}))
	defer srv.Close()
	body := &counting{r: bytes.NewReader(content(1 << 20))}
	_, err := Put(t.Context(), srv.URL+"/x", body, quick(t))
	var s *StatusError
	if !errors.As(err, &s) || s.Code != http.StatusConflict || !strings.Contains(err.Error(), "another node") {
		t.Errorf("%T: %v", err, err)
	}
	if body.n != 0 {
		t.Errorf("%d bytes of the body were used up", body.n)
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// TestPutBeforeBody has the server busy, then elsewhere, then ready.
func TestPutBeforeBody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		default:
			b, _ := io.ReadAll(r.Body)
			got = r.URL.Path + " " + string(b)
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer srv.Close()
	if _, err := Put(t.Context(), srv.URL+"/x", strings.NewReader("hello"), quick(t)); err != nil || got != "/elsewhere hello" {
		t.Errorf("server got %q, %v", got, err)
	}
}

// TestPutSilent sends to a server that stops reading, and to one that never answers.
func TestPutSilent(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 64 << 20} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conns := make(chan net.Conn, 10)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(conns)
					return
				}
				conns <- c
				c.Read(make([]byte, 1000))
				io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
		}()
		o := quick(t)
		o.Patience = 700 * time.Millisecond
		_, err = Put(t.Context(), "http://"+l.Addr().String()+"/x", bytes.NewReader(make([]byte, size)), o)
		if !errors.As(err, new(*StalledError)) {
			t.Errorf("%d bytes: %T %v", size, err, err)
		}
		l.Close()
		for c := range conns {
			c.Close()
		}
	}
}

func TestSidecar(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	other := strings.Repeat("f", 64)
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"bare", map[string]string{"a.img.zst.sha256": sum + "\n"}, sum},
		{"upper case", map[string]string{"a.img.zst.sha256": strings.ToUpper(sum)}, sum},
		{"sha256sum", map[string]string{"a.img.zst.sha256": sum + "  a.img.zst\n"}, sum},
		{"binary mark and directory", map[string]string{"a.img.zst.sha256": sum + " *./build/a.img.zst\n"}, sum},
		{"made under another name", map[string]string{"a.img.zst.sha256": sum + "  tmp.zst\n"}, sum},
		{"tagged", map[string]string{"a.img.zst.sha256": "SHA256 (a.img.zst) = " + sum + "\n"}, sum},
		{"several", map[string]string{"a.img.zst.sha256": other + "  b\n" + sum + "  a.img.zst\n"}, sum},
		{"list", map[string]string{"SHA256SUMS": "# comment\n" + other + "  b\n" + sum + "  a.img.zst\n"}, sum},
		{"own one goes first", map[string]string{"a.img.zst.sha256": sum, "SHA256SUMS": other + "  a.img.zst\n"}, sum},
		{"not in the list", map[string]string{"SHA256SUMS": other + "  b\n"}, ""},
		{"nonsense", map[string]string{"a.img.zst.sha256": "<html>moved</html>"}, ""},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer srv.Close()
			for _, source := range []string{filepath.Join(dir, "a.img.zst"), srv.URL + "/a.img.zst", srv.URL + "/a.img.zst?token=1"} {
				got, err := Sidecar(t.Context(), source, quick(t))
				if got != tt.want || (err == nil) != (tt.want != "") {
					t.Errorf("Sidecar(%s) = %q, %v; want %q", source, got, err, tt.want)
				}
			}
		})
	}
}

func TestDownload(t *testing.T) {
	data := content(2 << 20)
	sum := sha256.Sum256(data)
	srv := httptest.NewServer(&flaky{data: data, etag: `"1"`, cut: 500_000})
	defer srv.Close()
	f, err := os.Create(filepath.Join(t.TempDir(), "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Download(t.Context(), srv.URL, f, hex.EncodeToString(sum[:]), quick(t)); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	err = Download(t.Context(), srv.URL, f, strings.Repeat("0", 64), quick(t))
	if h := new(HashError); !errors.As(err, &h) || h.Got != hex.EncodeToString(sum[:]) {
		t.Errorf("wrong hash: %v", err)
	}
	if _, err := Get(t.Context(), srv.URL, 1000, quick(t)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("get of a long file: %v", err)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 1-2/3")
	f.Add("bytes 0-0/*")
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, err := parseContentRange(s)
		if err == nil && (first < 0 || last < first || total >= 0 && last >= total) {
			t.Errorf("%q: %d-%d/%d", s, first, last, total)
		}
	})
}

func FuzzSum(f *testing.F) {
	f.Add(strings.Repeat("a", 64) + "  name\nSHA256 (x) = " + strings.Repeat("b", 64))
	f.Fuzz(func(t *testing.T, s string) {
		if sum, err := sumOf(s, "name", "file", true); err == nil && len(sum) != 64 {
			t.Errorf("%q", sum)
		}
	})
}

// BenchmarkRead measures a transfer over loopback.
func BenchmarkRead(b *testing.B) {
	data := make([]byte, 256<<20)
	srv := httptest.NewServer(&flaky{data: data})
	defer srv.Close()
	b.SetBytes(int64(len(data)))
	buf := make([]byte, 256<<10)
	for b.Loop() {
		s, err := Open(b.Context(), srv.URL, nil, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, buf); err != nil || n != int64(len(data)) {
			b.Fatal(n, err)
		}
		s.Close()
	}
}
