package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openRanges(t *testing.T, source string, o Options) *Ranges {
	t.Helper()
	r, err := OpenRanges(t.Context(), source, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// checkRanges reads many parts at once, and some as streams.
func checkRanges(t *testing.T, r *Ranges, data []byte) {
	t.Helper()
	size := int64(len(data))
	if r.Size() != size {
		t.Fatalf("Size() = %d; want %d", r.Size(), size)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			off := rng.Int64N(size)
			end := min(size, off+1+rng.Int64N(200_000))
			var got []byte
			var err error
			if i%4 == 0 {
				s := r.Stream(t.Context(), off, end)
				got, err = io.ReadAll(s)
				s.Close()
			} else {
				got = make([]byte, end-off)
				err = r.ReadRange(t.Context(), got, off)
			}
			if err != nil || !bytes.Equal(got, data[off:end]) {
				t.Errorf("%d to %d: %d bytes, %v", off, end, len(got), err)
			}
		})
	}
	wg.Wait()
	for _, bad := range [][2]int64{{-1, 1}, {size, 1}, {size - 1, 2}} {
		if err := r.ReadRange(t.Context(), make([]byte, bad[1]), bad[0]); err == nil {
			t.Errorf("%d bytes at %d of %d were read", bad[1], bad[0], size)
		}
	}
	if err := r.ReadRange(t.Context(), nil, size); err != nil {
		t.Errorf("no bytes at the end: %v", err)
	}
}

func TestRanges(t *testing.T) {
	data := content(1 << 20)
	old := time.Now().Add(-time.Hour)
	tests := []struct {
		name string
		f    *flaky
	}{
		{"strong etag", &flaky{etag: `"v1"`}},
		{"weak etag", &flaky{etag: `W/"v1"`}},
		{"modification date", &flaky{date: old}},
		{"nothing to tell by", &flaky{}},
		{"broken connections", &flaky{etag: `"v1"`, cut: 70_000}},
		{"no suffix ranges", &flaky{etag: `"v1"`, before: func(_ *flaky, n int, _ http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Header.Get("Range"), "bytes=-") {
				r.Header.Del("Range")
			}
			return false
		}}},
		{"busy now and then", &flaky{etag: `"v1"`, before: func(_ *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
			if n%5 != 1 {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.f.data = data
			srv := httptest.NewServer(tt.f)
			defer srv.Close()
			checkRanges(t, openRanges(t, srv.URL, quick(t)), data)
		})
	}
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := openRanges(t, path, Options{})
		checkRanges(t, r, data)
		if err := os.Truncate(path, 1000); err != nil {
			t.Fatal(err)
		}
		if err := r.ReadRange(t.Context(), make([]byte, 100), 5000); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("file became shorter: %v", err)
		}
	})
}

// TestTail counts requests and bytes: the end of a file costs one request.
func TestTail(t *testing.T) {
	data := content(300_000)
	for _, size := range []int{0, 1, 1000, DefaultTail - 1, DefaultTail, DefaultTail + 1, 300_000} {
		f := &flaky{data: data[:size], etag: `"v1"`}
		srv := httptest.NewServer(f)
		r := openRanges(t, srv.URL, quick(t))
		got := make([]byte, min(size, DefaultTail))
		if err := r.ReadRange(t.Context(), got, int64(size-len(got))); err != nil || !bytes.Equal(got, data[size-len(got):size]) {
			t.Errorf("%d: %v", size, err)
		}
		if r.Size() != int64(size) || f.answers.Load() != 1 || r.Bytes() != int64(len(got)) {
			t.Errorf("%d: size %d, %d requests, %d bytes", size, r.Size(), f.answers.Load(), r.Bytes())
		}
		if size == len(data) { // partly in the tail
			got = make([]byte, DefaultTail+5000)
			if err := r.ReadRange(t.Context(), got, int64(size-len(got))); err != nil || !bytes.Equal(got, data[size-len(got):]) {
				t.Errorf("tail and more: %v", err)
			}
			if f.answers.Load() != 2 || r.Bytes() != DefaultTail+5000 {
				t.Errorf("tail and more: %d requests, %d bytes", f.answers.Load(), r.Bytes())
			}
		}
		r.Close()
		srv.Close()
	}
}

// TestRangesReuse checks that readings share few connections.
func TestRangesReuse(t *testing.T) {
	data := content(2 << 20)
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(&flaky{data: data, etag: `"v1"`})
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	r := openRanges(t, srv.URL, quick(t))
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			p := make([]byte, 10_000)
			if err := r.ReadRange(t.Context(), p, int64(i)*15_000); err != nil || !bytes.Equal(p, data[i*15_000:][:10_000]) {
				t.Error(i, err)
			}
		})
	}
	wg.Wait()
	if n := conns.Load(); n > 2*maxRanges {
		t.Errorf("%d connections for 100 readings", n)
	}
}

// TestNoRangesAtAll opens what can only be read as a whole.
func TestNoRangesAtAll(t *testing.T) {
	data := content(200_000)
	chunked := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(data)
	}
	whole := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data)
	}
	refusing := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	}
	for name, h := range map[string]http.HandlerFunc{"chunked": chunked, "whole": whole, "refusing": refusing} {
		srv := httptest.NewServer(h)
		_, err := OpenRanges(t.Context(), srv.URL, quick(t))
		if no := new(NoRangesError); !errors.As(err, &no) || no.Code == 0 {
			t.Errorf("%s: %T %v", name, err, err)
		}
		srv.Close()
	}
	for _, source := range []string{"-", "/dev/null"} {
		if r, err := OpenRanges(t.Context(), source, quick(t)); source == "-" && !errors.As(err, new(*NoRangesError)) || err == nil && r.Size() != 0 {
			t.Errorf("%s: %v", source, err)
		}
	}
	small := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "small") }))
	defer small.Close()
	r := openRanges(t, small.URL, quick(t)) // its end is all of it
	got := make([]byte, 3)
	if err := r.ReadRange(t.Context(), got, 1); err != nil || string(got) != "mal" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSmallFileRefused has a server that calls a suffix longer than the file
// unsatisfiable.
func TestSmallFileRefused(t *testing.T) {
	data := content(5000)
	srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`, before: func(_ *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Header.Get("Range"), "bytes=-") {
			return false
		}
		w.Header().Set("Content-Range", "bytes */5000")
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}})
	defer srv.Close()
	checkRanges(t, openRanges(t, srv.URL, quick(t)), data)
}

// TestLyingRanges checks every answer to ReadRange, and to the first request,
// that must not be believed.
func TestLyingRanges(t *testing.T) {
	const size, off, end = 400_000, 100_000, 200_000
	data := content(size)
	part := func(status int, contentRange string, body []byte, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"v1"`)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(status)
			w.Write(body)
		}
	}
	ranged := func(err error) bool { return errors.As(err, new(*RangeError)) }
	changed := func(err error) bool { return errors.As(err, new(*ChangedError)) }
	status := func(err error) bool { return errors.As(err, new(*StatusError)) }
	tests := []struct {
		name  string
		first bool // lie in the first answer
		lie   func(http.ResponseWriter)
		want  func(error) bool
	}{
		{"start one off", false, part(206, "bytes 100001-200000/400000", data[off+1:end+1]), ranged},
		{"earlier start", false, part(206, "bytes 0-199999/400000", data[:end]), ranged},
		{"later end", false, part(206, "bytes 100000-200000/400000", data[off:end+1]), ranged},
		{"no content range", false, part(206, "", data[off:end]), ranged},
		{"content range beyond the file", false, part(206, "bytes 100000-400000/400000", data[off:]), ranged},
		{"negative", false, part(206, "bytes -100000-199999/400000", data[off:end]), ranged},
		{"length not as range", false, part(206, "bytes 100000-199999/400000", data[off:end-5]), ranged},
		{"multipart", false, part(206, "bytes 100000-199999/400000", data[off:end], "Content-Type", "multipart/byteranges; boundary=x"), ranged},
		{"whole for a part", false, part(200, "", data), ranged},
		{"other total", false, part(206, "bytes 100000-199999/400001", data[off:end]), changed},
		{"other etag", false, part(206, "bytes 100000-199999/400000", data[off:end], "ETag", `"v2"`), changed},
		{"other etag, whole", false, part(200, "", data, "ETag", `"v2"`), changed},
		{"other size, whole", false, part(200, "", data[:end]), changed},
		{"precondition failed", false, part(412, "", nil), changed},
		{"shrunk", false, part(416, "bytes */50000", nil), changed},
		{"gone", false, part(404, "", nil), status},

		{"tail not at the end", true, part(206, "bytes 334464-399998/400000", data[334464:399999]), ranged},
		{"tail with another start", true, part(206, "bytes 300000-399999/400000", data[300000:]), ranged},
		{"tail of an unknown total", true, part(206, "bytes 334464-399999/*", data[334464:]), ranged},
		{"tail, length not as range", true, part(206, "bytes 334464-399999/400000", data[334400:]), ranged},
		{"forbidden", true, part(403, "", nil), status},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`, before: func(_ *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
				if n == 1 && !tt.first {
					return false
				}
				tt.lie(w)
				return true
			}})
			defer srv.Close()
			start := time.Now()
			r, err := OpenRanges(t.Context(), srv.URL, quick(t))
			if err == nil {
				err = r.ReadRange(t.Context(), make([]byte, end-off), off)
			}
			if err == nil || !tt.want(err) || (r == nil) != tt.first {
				t.Errorf("error %T: %v", err, err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("a lie was tried again for %v", d)
			}
		})
	}
}

// TestRangesChange replaces the file while parts of it are read.
func TestRangesChange(t *testing.T) {
	t.Parallel()
	one, two := content(400_000), make([]byte, 400_000)
	f := &flaky{data: one, etag: `"v1"`, cut: 30_000}
	f.before = func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 4 {
			w.Header().Set("ETag", `"v2"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(two))
			return true
		}
		return false
	}
	srv := httptest.NewServer(f)
	defer srv.Close()
	r := openRanges(t, srv.URL, quick(t))
	p := make([]byte, 200_000)
	if err := r.ReadRange(t.Context(), p, 0); !errors.As(err, new(*ChangedError)) {
		t.Errorf("%T: %v", err, err)
	}
}

// TestRangesResets cuts each answer at a random place, with a reset.
func TestRangesResets(t *testing.T) {
	t.Parallel()
	data := content(1 << 20)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}),
	}
	go srv.Serve(&resetting{Listener: l})
	defer srv.Close()
	o := quick(t)
	o.Patience = 20 * time.Second
	r := openRanges(t, "http://"+l.Addr().String(), o)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			p := make([]byte, 100_000)
			if err := r.ReadRange(t.Context(), p, int64(i)*80_000); err != nil || !bytes.Equal(p, data[i*80_000:][:100_000]) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// resetting hands out connections that are reset after so many bytes sent.
type resetting struct {
	net.Listener
	n atomic.Uint64
}

func (l *resetting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(3, l.n.Add(1)))
	return &resetConn{c.(*net.TCPConn), 20_000 + rng.IntN(150_000)}, nil
}

type resetConn struct {
	*net.TCPConn
	left int
}

func (c *resetConn) Write(p []byte) (int, error) {
	if c.left < len(p) {
		c.TCPConn.Write(p[:c.left])
		c.SetLinger(0)
		c.Close()
		return 0, net.ErrClosed
	}
	c.left -= len(p)
	return c.TCPConn.Write(p)
}

// ReadFrom keeps io.Copy from going around Write.
func (c *resetConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// TestRangesStall has a server that falls silent: for a while, and for good.
func TestRangesStall(t *testing.T) {
	t.Parallel()
	data := content(300_000)
	for _, silent := range []int{2, 1000} { // answers that hang after the first
		release := make(chan struct{})
		srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`, before: func(f *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 || n > 1+silent {
				return false
			}
			if n == 2 {
				w.Header().Set("ETag", f.etag)
				w.Header().Set("Content-Range", "bytes 0-99999/300000")
				w.Header().Set("Content-Length", "100000")
				w.WriteHeader(206)
				w.Write(data[:50_000])
				w.(http.Flusher).Flush()
			}
			<-release
			return true
		}})
		o := quick(t)
		o.Patience, o.Stall = 2*time.Second, 300*time.Millisecond
		r := openRanges(t, srv.URL, o)
		p := make([]byte, 100_000)
		start := time.Now()
		err := r.ReadRange(t.Context(), p, 0)
		switch {
		case silent == 2 && (err != nil || !bytes.Equal(p, data[:100_000])):
			t.Errorf("silent for a while: %v", err)
		case silent > 2 && !errors.As(err, new(*StalledError)):
			t.Errorf("silent for good: %T %v", err, err)
		case time.Since(start) > 4*time.Second:
			t.Errorf("took %v", time.Since(start))
		}
		close(release)
		srv.Close()
	}
}

func TestRangesTLS(t *testing.T) {
	var asked atomic.Int32
	data := content(200_000)
	srv := httptest.NewTLSServer(&flaky{data: data, etag: `"v1"`, before: func(*flaky, int, http.ResponseWriter, *http.Request) bool {
		asked.Add(1)
		return false
	}})
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	start := time.Now()
	_, err := OpenRanges(t.Context(), srv.URL, quick(t))
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || time.Since(start) > 2*time.Second || asked.Load() > 0 {
		t.Errorf("unknown CA, after %v: %v", time.Since(start), err)
	}
	o := quick(t)
	o.Client = srv.Client()
	checkRanges(t, openRanges(t, srv.URL, o), data)
}

// TestRangesWays goes through a redirect, with credentials in the URL.
func TestRangesWays(t *testing.T) {
	data := content(200_000)
	mux := http.NewServeMux()
	mux.Handle("/there", &flaky{data: data, etag: `"v1"`})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "orbit" || pass != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, "/there", http.StatusFound)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	r := openRanges(t, strings.Replace(srv.URL, "http://", "http://orbit:secret@", 1)+"/here", quick(t))
	checkRanges(t, r, data)
	if strings.Contains(r.Name(), "secret") {
		t.Errorf("the name shows the password: %s", r.Name())
	}
	if _, err := OpenRanges(t.Context(), srv.URL+"/here", quick(t)); err == nil || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("without credentials: %v", err)
	}
}

// TestRangesCancel ends readings that wait, by their own context and by Close.
func TestRangesCancel(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 8)
	srv := httptest.NewServer(&flaky{data: content(200_000), etag: `"v1"`, before: func(_ *flaky, n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			return false
		}
		asked <- struct{}{}
		<-release
		return true
	}})
	defer srv.Close()
	defer close(release)
	r := openRanges(t, srv.URL, Options{})
	stop := errors.New("operator's wish")
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error)
	go func() { failed <- r.ReadRange(ctx, make([]byte, 10), 0) }()
	<-asked
	cancel(stop)
	if err := <-failed; !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { failed <- r.ReadRange(t.Context(), make([]byte, 10), 0) }()
	<-asked
	r.Close()
	if err := <-failed; !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}

// BenchmarkRanges reads parts of 1 MiB, several at a time, over loopback.
func BenchmarkRanges(b *testing.B) {
	data := make([]byte, 64<<20)
	srv := httptest.NewServer(&flaky{data: data, etag: `"v1"`})
	defer srv.Close()
	for _, workers := range []int{1, 4, 8} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			r, err := OpenRanges(b.Context(), srv.URL, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var wg sync.WaitGroup
				var next atomic.Int64
				for range workers {
					wg.Go(func() {
						p := make([]byte, 1<<20)
						for off := next.Add(1<<20) - 1<<20; off < int64(len(data)); off = next.Add(1<<20) - 1<<20 {
							if err := r.ReadRange(b.Context(), p, off); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			}
		})
	}
}

// FuzzAccept has a server say anything: what is accepted goes on exactly where
// it was asked for, within the file.
func FuzzAccept(f *testing.F) {
	f.Add(206, "bytes 0-9/100", int64(10), `"a"`, int64(0), int64(10), true)
	f.Add(206, "bytes 90-99/100", int64(10), `"b"`, int64(10), int64(0), false)
	f.Add(206, "bytes 0--1/0", int64(0), "", int64(10), int64(0), false)
	f.Add(416, "bytes */5", int64(0), "", int64(10), int64(0), false)
	f.Add(200, "", int64(5), "", int64(10), int64(0), false)
	f.Fuzz(func(t *testing.T, code int, contentRange string, length int64, etag string, a, b int64, part bool) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		resp := &http.Response{StatusCode: code, ContentLength: max(length, -1), Body: http.NoBody, Request: req,
			Header: http.Header{"Content-Range": {contentRange}, "Etag": {etag}}}
		r := &remote{o: Options{}.withDefaults(), size: func(int64) {}}
		if part {
			if a < 0 || b <= a || b > 100 {
				return
			}
			r.part, r.offset, r.end, r.known = true, a, b, true
			r.ver = version{etag: `"a"`, size: 100}
		} else if r.suffix = a; a <= 0 {
			return
		}
		skip, _, err := r.accept(resp)
		if err != nil {
			return
		}
		if skip != 0 || !r.known {
			t.Fatalf("skip %d, known %t", skip, r.known)
		}
		if part && (r.offset != a || r.end != b || r.ver.size != 100) {
			t.Errorf("%d to %d of %d; want %d to %d", r.offset, r.end, r.ver.size, a, b)
		}
		if !part && r.part && (r.end != r.ver.size || r.offset < 0 || r.end-r.offset > a) {
			t.Errorf("%d to %d of %d; want the last %d", r.offset, r.end, r.ver.size, a)
		}
		if code == http.StatusOK && length > a {
			t.Errorf("%d bytes for the last %d", length, a)
		}
	})
}
