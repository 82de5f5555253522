package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// content is n bytes that differ everywhere.
func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// quick is impatient enough for tests.
func quick(t *testing.T) Options {
	return Options{Patience: 3 * time.Second, Stall: 500 * time.Millisecond, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// read opens and reads all of a source.
func read(t *testing.T, url string, o Options) ([]byte, error) {
	t.Helper()
	s, err := Open(t.Context(), url, nil, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	got, err := io.ReadAll(s)
	if s.Bytes() != int64(len(got)) {
		t.Errorf("Bytes() = %d after %d", s.Bytes(), len(got))
	}
	return got, err
}

// flaky serves data, but cuts the connection after so many bytes of each answer. Its
// fields change what it says.
type flaky struct {
	data    []byte
	etag    string
	date    time.Time // Last-Modified, if set
	cut     int       // bytes per answer, 0 = all
	answers atomic.Int32
	ranges  atomic.Int32 // answered with 206
	before  func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(f.answers.Add(1))
	if f.before != nil && f.before(f, n, w, r) {
		return
	}
	if f.etag != "" {
		w.Header().Set("ETag", f.etag)
	}
	if r.Header.Get("Range") != "" {
		f.ranges.Add(1)
	}
	if f.cut > 0 {
		w = &cutter{ResponseWriter: w, left: f.cut}
	}
	http.ServeContent(w, r, "", f.date, bytes.NewReader(f.data))
}

// cutter breaks the connection after some bytes of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		c.ResponseWriter.Write(p[:c.left])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestResume(t *testing.T) {
	data := content(1 << 20)
	old := time.Now().Add(-time.Hour)
	tests := []struct {
		name string
		f    *flaky
	}{
		{"strong etag", &flaky{etag: `"v1"`}},
		{"weak etag", &flaky{etag: `W/"v1"`}},
		{"modification date", &flaky{date: old}},
		{"nothing", &flaky{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.f.data, tt.f.cut = data, 300_000
			srv := httptest.NewServer(tt.f)
			defer srv.Close()
			got, err := read(t, srv.URL, quick(t))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if n := tt.f.ranges.Load(); n != 3 {
				t.Errorf("%d range requests; want 3", n)
			}
		})
	}
}

// TestLyingServers checks every answer to a range request that must not be
// believed.
func TestLyingServers(t *testing.T) {
	data := content(400_000)
	const cut = 100_000
	part := func(status int, contentRange string, body []byte, header ...string) func(*flaky, int, http.ResponseWriter, *http.Request) bool {
		return func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				return false
			}
			w.Header().Set("ETag", f.etag)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(status)
			w.Write(body)
			return true
		}
	}
	isRange := func(err error) bool { return errors.As(err, new(*RangeError)) }
	isChanged := func(err error) bool { return errors.As(err, new(*ChangedError)) }
	tests := []struct {
		name   string
		before func(*flaky, int, http.ResponseWriter, *http.Request) bool
		etag   string
		want   func(error) bool
	}{
		{"other start", part(206, "bytes 0-399999/400000", data), `"v1"`, isRange},
		{"start one off", part(206, "bytes 100001-399999/400000", data[cut+1:]), `"v1"`, isRange},
		{"no content range", part(206, "", data[cut:]), `"v1"`, isRange},
		{"bad content range", part(206, "bytes 100000-400000/400000", data[cut:]), `"v1"`, isRange},
		{"length not as range", part(206, "bytes 100000-399999/400000", data[cut+5:]), `"v1"`, isRange},
		{"multipart", part(206, "bytes 100000-399999/400000", data[cut:], "Content-Type", "multipart/byteranges; boundary=x"), `"v1"`, isRange},
		{"other size", part(206, "bytes 100000-399999/400001", data[cut:]), `"v1"`, isChanged},
		{"other etag in part", part(206, "bytes 100000-399999/400000", data[cut:], "ETag", `"v2"`), `"v1"`, isChanged},
		{"other etag, whole", part(200, "", data, "ETag", `"v2"`), `"v1"`, isChanged},
		{"other size, whole", part(200, "", data[:300_000]), `"v1"`, isChanged},
		{"whole and nothing to tell by", part(200, "", data), "", isRange},
		{"precondition failed", part(412, "", nil), `"v1"`, isChanged},
		{"shrunk", part(416, "bytes */50000", nil), `"v1"`, isChanged},
		{"gone", part(404, "", nil), `"v1"`, func(err error) bool {
			var s *StatusError
			return errors.As(err, &s) && s.Code == 404
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(&flaky{data: data, etag: tt.etag, cut: cut, before: tt.before})
			defer srv.Close()
			got, err := read(t, srv.URL, quick(t))
			if err == nil || !tt.want(err) {
				t.Fatalf("error %T: %v", err, err)
			}
			if !bytes.Equal(got, data[:cut]) {
				t.Errorf("%d bytes came through; want %d good ones", len(got), cut)
			}
		})
	}
}

// TestNoRanges reads from a server that always starts at the beginning, but
// says which file it sends.
func TestNoRanges(t *testing.T) {
	t.Parallel()
	data := content(1 << 20)
	srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`, before: func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		f.cut = n * 400_000
		return false
	}})
	defer srv.Close()
	got, err := read(t, srv.URL, quick(t))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// TestRestart kills the server half-way and starts it on the same port again.
func TestRestart(t *testing.T) {
	t.Parallel()
	data := content(8 << 20)
	f := &flaky{data: data, etag: `"v1"`, cut: 3 << 20}
	srv := httptest.NewServer(f)
	addr := srv.Listener.Addr().String()
	s, err := Open(t.Context(), srv.URL, nil, quick(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Size() != int64(len(data)) {
		t.Errorf("size %d", s.Size())
	}
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(s, got); err != nil {
		t.Fatal(err)
	}
	srv.CloseClientConnections()
	srv.Close()
	restarted := make(chan *http.Server, 1)
	time.AfterFunc(700*time.Millisecond, func() {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			restarted <- nil
			return
		}
		again := &http.Server{Handler: &flaky{data: data, etag: `"v1"`}}
		restarted <- again
		again.Serve(l)
	})
	rest, err := io.ReadAll(s)
	if again := <-restarted; again != nil {
		defer again.Close()
	}
	if err != nil || !bytes.Equal(append(got, rest...), data) {
		t.Fatalf("%d bytes, %v", len(got)+len(rest), err)
	}
}

// TestGone kills the server for good: the failure is clear and comes in time.
func TestGone(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&flaky{data: content(1 << 20), etag: `"v1"`, cut: 200_000})
	o := quick(t)
	o.Patience = time.Second
	s, err := Open(t.Context(), srv.URL, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := io.ReadFull(s, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	srv.CloseClientConnections()
	srv.Close()
	start := time.Now()
	_, err = io.ReadAll(s)
	var stalled *StalledError
	if !errors.As(err, &stalled) {
		t.Fatalf("%T: %v", err, err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("gave up after %v; patience was 1 s", d)
	}
	if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "is the server up") {
		t.Errorf("message does not help: %v", err)
	}
	if _, err2 := s.Read(make([]byte, 1)); err2 != err {
		t.Errorf("next read: %v", err2)
	}
}

func TestNeverThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/x"
	l.Close()
	o := quick(t)
	o.Patience = 500 * time.Millisecond
	_, err = Open(t.Context(), url, nil, o)
	if !errors.As(err, new(*StalledError)) {
		t.Errorf("%T: %v", err, err)
	}
}

// TestSilence reads from a server that stops sending but keeps the connection.
func TestSilence(t *testing.T) {
	t.Parallel()
	data := content(500_000)
	release := make(chan struct{})
	defer close(release)
	hang := func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("ETag", f.etag)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:200_000])
		w.(http.Flusher).Flush()
		<-release
		return true
	}
	srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`, before: hang})
	got, err := read(t, srv.URL, quick(t))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// TestSlow reads a file that takes longer than patience, a little at a time.
func TestSlow(t *testing.T) {
	t.Parallel()
	data := content(20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range data {
			w.Write([]byte{c})
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond) // the slowness under test
		}
	}))
	defer srv.Close()
	got, err := read(t, srv.URL, Options{Patience: 3 * time.Second, Stall: 3 * time.Second})
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// raw answers each connection with the bytes given, once the request is in, and hangs up.
func raw(t *testing.T, answers ...string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096))
			io.WriteString(c, answers[min(i, len(answers)-1)])
			c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

func TestRawServers(t *testing.T) {
	tests := []struct {
		name    string
		answers []string
		want    string
		err     bool
	}{
		{"chunked, then cut, then the rest", []string{
			"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			"HTTP/1.1 206 OK\r\nETag: \"a\"\r\nContent-Range: bytes 5-10/11\r\nContent-Length: 6\r\n\r\n world",
		}, "hello world", false},
		{"chunked, cut before the last chunk", []string{
			"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			"HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n",
		}, "hello", false},
		{"parts smaller than asked for", []string{
			"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 11\r\n\r\nhel",
			"HTTP/1.1 206 OK\r\nETag: \"a\"\r\nContent-Range: bytes 3-5/11\r\nContent-Length: 3\r\n\r\nlo ",
			"HTTP/1.1 206 OK\r\nETag: \"a\"\r\nContent-Range: bytes 6-10/11\r\nContent-Length: 5\r\n\r\nworld",
		}, "hello world", false},
		{"always short", []string{"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"}, "", true},
		{"no HTTP", []string{"SSH-2.0-OpenSSH_9.2\r\n"}, "", true},
		{"part of a file nobody asked for", []string{"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-4/11\r\nContent-Length: 5\r\n\r\nhello"}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := quick(t)
			o.Patience = 1500 * time.Millisecond
			got, err := read(t, raw(t, tt.answers...), o)
			if (err != nil) != tt.err || string(got) != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	var busy atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/busy", func(w http.ResponseWriter, r *http.Request) {
		if busy.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "publishing", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "here")
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.Handle("/moved", http.RedirectHandler("/busy", http.StatusFound))
	mux.HandleFunc("/denied", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not\x1b[31m you", http.StatusForbidden) })
	srv := httptest.NewServer(mux)
	defer srv.Close()

	if got, err := read(t, srv.URL+"/busy", quick(t)); err != nil || string(got) != "here" {
		t.Errorf("busy: %q, %v", got, err)
	}
	if got, err := read(t, srv.URL+"/moved", quick(t)); err != nil || string(got) != "here" {
		t.Errorf("moved: %q, %v", got, err)
	}
	start := time.Now()
	if _, err := read(t, srv.URL+"/later", quick(t)); !errors.As(err, new(*StalledError)) || !strings.Contains(err.Error(), "503") {
		t.Errorf("later: %v", err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("waited %v for a server that says an hour", d)
	}
	for path, want := range map[string]string{"/missing": "404 Not Found: 404 page not found (check the name", "/denied": "403 Forbidden: not[31m you"} {
		_, err := read(t, srv.URL+path, quick(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(&flaky{data: []byte("secret")})
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	start := time.Now()
	_, err := read(t, srv.URL, quick(t))
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("unknown CA: %v", err)
	}
	if time.Since(start) > 2*time.Second {
		t.Error("an unknown CA was tried again")
	}
	o := quick(t)
	o.Client = srv.Client()
	if got, err := read(t, srv.URL, o); err != nil || string(got) != "secret" {
		t.Errorf("known CA: %q, %v", got, err)
	}
	plain := httptest.NewServer(&flaky{})
	defer plain.Close()
	if _, err := read(t, "https"+strings.TrimPrefix(plain.URL, "http"), quick(t)); err == nil || !strings.Contains(err.Error(), "use http://") {
		t.Errorf("TLS to a plain server: %v", err)
	}
}

// TestCancel ends transfers that wait for the network.
func TestCancel(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		asked <- struct{}{}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	for _, how := range []string{"context", "close"} {
		stop := errors.New("operator's wish")
		ctx, cancel := context.WithCancelCause(t.Context())
		s, err := Open(ctx, srv.URL, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		<-asked
		failed := make(chan error)
		go func() {
			_, err := io.ReadAll(s)
			failed <- err
		}()
		if how == "context" {
			cancel(stop)
		} else {
			s.Close()
		}
		if err := <-failed; err == nil || how == "context" && !errors.Is(err, stop) {
			t.Errorf("%s: %v", how, err)
		}
		s.Close()
		cancel(nil)
	}
}
