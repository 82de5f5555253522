package imaging

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// head serves one file the way a web server does, and breaks the first few
// connections off after some bytes of it.
type head struct {
	file    []byte
	breaks  atomic.Int32 // connections still to be broken
	after   int64        // bytes
	broken  func()       // called when that has happened
	resumed atomic.Int32 // requests for less than all
}

func (h *head) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, ".sha256") {
		w.Write([]byte(sum(h.file) + "  image.zst\n"))
		return
	}
	w.Header().Set("ETag", `"one"`)
	if strings.HasPrefix(r.Header.Get("Range"), "bytes=-") { // a look for an index
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(h.file))
		return
	}
	if r.Header.Get("Range") != "" {
		h.resumed.Add(1)
	}
	if h.breaks.Add(-1) >= 0 {
		w = &breaking{w, h.after}
		defer func() {
			if h.broken != nil {
				h.broken()
			}
			panic(http.ErrAbortHandler)
		}()
	}
	http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(h.file))
}

// breaking takes left bytes.
type breaking struct {
	http.ResponseWriter
	left int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left < int64(len(p)) {
		b.ResponseWriter.Write(p[:b.left])
		b.ResponseWriter.(http.Flusher).Flush()
		return 0, net.ErrClosed
	}
	b.left -= int64(len(p))
	return b.ResponseWriter.Write(p)
}

// The connection breaks again and again; the image arrives all the same.
func TestResume(t *testing.T) {
	image := gptImage(t, size, 512)
	h := &head{file: compress(t, stream.Zstd, image), after: 3 * mib}
	h.breaks.Store(2)
	server := httptest.NewServer(h)
	defer server.Close()
	dest := filepath.Join(t.TempDir(), "disk")
	var notes []string
	_, err := write1(t, WriteOptions{Source: server.URL + "/image.zst", Disk: dest, SHA256Beside: true, Patience: 10 * time.Second, Events: func(e api.Event) {
		if e.State == api.Note {
			notes = append(notes, e.Message)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, dest, bytesOf(t, dest), image)
	if n := h.resumed.Load(); n < 2 {
		t.Errorf("%d requests went on where the last had stopped, want 2", n)
	}
	if len(notes) == 0 {
		t.Error("no note tells of the interruptions")
	}
}

// The server itself goes away, port and all, and comes back.
func TestServerBack(t *testing.T) {
	image := gptImage(t, size, 512)
	h := &head{file: compress(t, stream.Zstd, image), after: 4 * mib}
	h.breaks.Store(1)
	first := httptest.NewServer(h)
	address := first.Listener.Addr().String()
	gone := make(chan struct{})
	h.broken = func() { first.Listener.Close(); close(gone) }
	back := make(chan *httptest.Server, 1)
	go func() {
		<-gone
		l, err := net.Listen("tcp", address)
		for deadline := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(deadline); {
			l, err = net.Listen("tcp", address)
		}
		if err != nil {
			t.Error(err)
			back <- first
			return
		}
		second := httptest.NewUnstartedServer(h)
		second.Listener.Close()
		second.Listener = l
		second.Start()
		back <- second
	}()
	dev := loop(t, size, 512)
	_, err := write1(t, WriteOptions{Source: "http://" + address + "/image.zst", Disk: dev, Patience: 20 * time.Second})
	(<-back).Close()
	if err != nil {
		t.Fatal(err)
	}
	same(t, dev, bytesOf(t, dev), image)
}

// The server goes away for good.
func TestServerGone(t *testing.T) {
	h := &head{file: compress(t, stream.Zstd, gptImage(t, size, 512)), after: 4 * mib}
	h.breaks.Store(1)
	server := httptest.NewServer(h)
	h.broken = func() { server.Listener.Close() }
	dev := loop(t, size, 512)
	_, err := write1(t, WriteOptions{Source: server.URL + "/image.zst", Disk: dev, Patience: time.Second})
	failed(t, err, server.URL)
	noTable(t, dev, 512)
	if !strings.Contains(err.Error(), "gave up") && !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error does not say that the server is gone: %v", err)
	}
}

// The file is another one when the connection comes back.
func TestChanged(t *testing.T) {
	h := &head{file: compress(t, stream.Zstd, gptImage(t, size, 512)), after: 4 * mib}
	h.breaks.Store(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.breaks.Load() <= 0 && !strings.HasPrefix(r.Header.Get("Range"), "bytes=-") {
			w.Header().Set("ETag", `"two"`)
			http.ServeContent(w, r, "", time.Unix(1e9+1, 0), bytes.NewReader(make([]byte, len(h.file))))
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	dev := loop(t, size, 512)
	_, err := write1(t, WriteOptions{Source: server.URL + "/image.zst", Disk: dev, Patience: 5 * time.Second})
	failed(t, err, "changed")
	noTable(t, dev, 512)
}
