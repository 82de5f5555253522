package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// The tests here have a node's sender and the head speak with each other.

// breaking hands out connections that are reset after so many bytes received.
type breaking struct {
	net.Listener
	after func(n int) int // of the nth connection, 0 for never
	n     atomic.Int32
}

func (l *breaking) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := int(l.n.Add(1))
	if after := l.after(n); after > 0 {
		return &breakingConn{Conn: c, left: after}, nil
	}
	return c, nil
}

type breakingConn struct {
	net.Conn
	left int
}

func (c *breakingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), max(c.left, 1))])
	if c.left -= n; c.left <= 0 {
		c.Conn.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	return n, err
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// serve serves a site on an address ("" for any) with connections that break.
// stop returns when all requests have ended.
func serve(t *testing.T, s *Site, address string, after func(n int) int) (stop func(), addr string) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	handler := s.Handler()
	var busy sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Done()
		handler.ServeHTTP(w, r)
	})}
	go server.Serve(&breaking{Listener: l, after: after})
	stop = func() {
		server.Close()
		busy.Wait()
	}
	t.Cleanup(stop)
	return stop, l.Addr().String()
}

func sender(t *testing.T) transfer.Options {
	return transfer.Options{Patience: 10 * time.Second, Stall: 2 * time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func never(int) int { return 0 }

// TestSendOverBadNetwork has connections break at random places.
func TestSendOverBadNetwork(t *testing.T) {
	dir := t.TempDir()
	s, _ := head(t, dir)
	data := noise(24 << 20)
	rng := rand.New(rand.NewPCG(4, 4))
	_, addr := serve(t, s, "", func(n int) int {
		if n > 12 {
			return 0
		}
		return 1 + rng.IntN(4<<20)
	})
	// The first bytes must get as far as the resource, or there is nothing to resume.
	url := "http://" + addr + "/images/a.img"
	result, err := transfer.Put(t.Context(), url, bytes.NewReader(data), sender(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := (transfer.PutResult{Bytes: int64(len(data)), SHA256: hexSum(data), Location: "/images/a.img"}); result != want {
		t.Errorf("result %+v; want %+v", result, want)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "images", "a.img")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("stored %d bytes, %v", len(got), err)
	}
	if got := s.Images.SHA256("a.img"); got != hexSum(data) {
		t.Errorf("sidecar %s", got)
	}
}

// TestSendAcrossRestart restarts the head in the middle.
func TestSendAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	s, _ := head(t, dir)
	data := noise(24 << 20)
	stop, addr := serve(t, s, "", never)
	r, w := io.Pipe()
	go func() {
		w.Write(data[:10<<20])
		stop()
		again, _ := head(t, dir)
		serve(t, again, addr, never)
		w.Write(data[10<<20:])
		w.Close()
	}()
	if _, err := transfer.Put(t.Context(), "http://"+addr+"/images/a.img", r, sender(t)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "images", "a.img")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("stored %d bytes, %v", len(got), err)
	}
}

// TestSendFails ends uploads for good: the name is free at once.
func TestSendFails(t *testing.T) {
	dir := t.TempDir()
	s, _ := head(t, dir)
	checked(t, s, dir, images.Options{Verify: func(context.Context, string) error { return errors.New("span 7 is missing") }})
	_, addr := serve(t, s, "", never)
	url := "http://" + addr + "/images/a.img"
	broken := errors.New("read /dev/sda: input/output error")
	stop := errors.New("operator's wish")
	ctx, cancel := context.WithCancelCause(t.Context())
	for _, test := range []struct {
		name string
		ctx  context.Context
		body io.Reader
		want func(error) bool
	}{
		{"disk", t.Context(), io.MultiReader(bytes.NewReader(noise(3<<20)), iotest.ErrReader(broken)), func(err error) bool { return errors.Is(err, broken) }},
		{"cancelled", ctx, io.MultiReader(bytes.NewReader(noise(3<<20)), stopping{func() { cancel(stop) }}), func(err error) bool { return errors.Is(err, stop) }},
		{"refused", t.Context(), bytes.NewReader(noise(3 << 20)), func(err error) bool {
			var status *transfer.StatusError
			return errors.As(err, &status) && status.Code == 422 && strings.Contains(err.Error(), "span 7 is missing")
		}},
	} {
		if _, err := transfer.Put(test.ctx, url, test.body, sender(t)); err == nil || !test.want(err) {
			t.Errorf("%s: %v", test.name, err)
		}
		left, err := os.ReadDir(filepath.Join(dir, "images"))
		if len(left) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", test.name, left, err)
		}
	}
}

// stopping does something in place of bytes.
type stopping struct{ do func() }

func (s stopping) Read(p []byte) (int, error) {
	s.do()
	return copy(p, "x"), nil
}

// TestAnswerLost breaks the connection after the image was published, before
// its sender hears of it.
func TestAnswerLost(t *testing.T) {
	dir := t.TempDir()
	s, _ := head(t, dir)
	handler := s.Handler()
	var lost atomic.Bool
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w = &deaf{w, &lost}
		}
		handler.ServeHTTP(w, r)
	}), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go server.Serve(l)
	defer server.Close()
	data := noise(3 << 20)
	result, err := transfer.Put(t.Context(), "http://"+l.Addr().String()+"/images/a.img", bytes.NewReader(data), sender(t))
	if err != nil || !lost.Load() || result.SHA256 != hexSum(data) || result.Location != "/images/a.img" {
		t.Errorf("%+v, %v, lost %t", result, err, lost.Load())
	}
}

// deaf breaks the connection instead of giving the last answer.
type deaf struct {
	http.ResponseWriter
	lost *atomic.Bool
}

func (d *deaf) WriteHeader(code int) {
	if code >= 200 {
		d.lost.Store(true)
		panic(http.ErrAbortHandler)
	}
	d.ResponseWriter.WriteHeader(code)
}

func (d *deaf) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// TestCheckedLong has the head check for longer than its sender is patient.
func TestCheckedLong(t *testing.T) {
	dir := t.TempDir()
	s, _ := head(t, dir)
	s.beat = 50 * time.Millisecond
	checked(t, s, dir, images.Options{Verify: func(ctx context.Context, path string) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(1500 * time.Millisecond): // the slowness under test
			return nil
		}
	}})
	_, addr := serve(t, s, "", never)
	o := sender(t)
	o.Patience, o.Stall = 500*time.Millisecond, 300*time.Millisecond
	if _, err := transfer.Put(t.Context(), "http://"+addr+"/images/a.img", bytes.NewReader(noise(1000)), o); err != nil {
		t.Error(err)
	}
}

// BenchmarkSend measures an upload over loopback, from the first byte until the
// image is published.
func BenchmarkSend(b *testing.B) {
	dir := b.TempDir()
	store, err := images.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	s := &Site{Images: store, Log: slog.New(slog.DiscardHandler)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: s.Handler()}
	go server.Serve(l)
	defer server.Close()
	data := noise(256 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := transfer.Put(b.Context(), "http://"+l.Addr().String()+"/images/a.img", bytes.NewReader(data), transfer.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
