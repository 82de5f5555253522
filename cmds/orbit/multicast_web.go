//go:build !node

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// website serves one file by HTTP, parts of it, and the digests of its chunks.
type website struct {
	url    string // of the file
	name   string
	etag   string
	stat   os.FileInfo
	file   *os.File
	sums   *sumsOf
	listen net.Listener
	server *http.Server
	ended  chan struct{}
	bytes  atomic.Int64 // sent
	open   atomic.Int64 // answers under way
}

// newWebsite listens. local is the address that nodes reach unless addr has one.
func newWebsite(addr string, local netip.Addr, file *os.File, name string) (*website, error) {
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve by HTTP: %w (another port: --http :PORT; none: --http \"\")", err)
	}
	host := local.String()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	if a := at.Addr().Unmap(); !a.IsUnspecified() {
		host = a.String()
	}
	w := &website{
		name: name, file: file, stat: st, listen: l, sums: newSums(file, st.Size()), ended: make(chan struct{}),
		url:  (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, fmt.Sprint(at.Port())), Path: "/" + name}).String(),
		etag: fmt.Sprintf(`"%x-%x"`, st.ModTime().UnixNano(), st.Size()),
	}
	w.server = &http.Server{
		Handler: w, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	return w, nil
}

func (w *website) start() {
	go func() {
		defer close(w.ended)
		w.server.Serve(w.listen)
	}()
}

// stop ends it when those who are being served have all, or ctx is done.
func (w *website) stop(ctx context.Context) {
	if w.server.Shutdown(ctx) != nil {
		w.server.Close()
	}
	<-w.ended
	w.sums.close()
}

// busy tells whether anybody is being served.
func (w *website) busy() bool { return w.open.Load() > 0 }

// sent is how many bytes have been sent.
func (w *website) sent() int64 {
	if w == nil {
		return 0
	}
	return w.bytes.Load()
}

func (w *website) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.open.Add(1)
	defer w.open.Add(-1)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		rw.Header().Set("Allow", "GET, HEAD")
		http.Error(rw, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/" + w.name:
		w.serveFile(rw, r)
	case "/" + w.name + frisbee.SumsSuffix:
		text, err := w.sums.get(r.Context())
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.ServeContent(rw, r, "", w.stat.ModTime(), bytes.NewReader(text))
	default:
		http.Error(rw, "there is only "+(&url.URL{Path: "/" + w.name}).String(), http.StatusNotFound)
	}
}

func (w *website) serveFile(rw http.ResponseWriter, r *http.Request) {
	// The same file again, since each reader has its own place in it, and the
	// kernel sends files by itself.
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", w.file.Fd()))
	if err != nil {
		http.Error(rw, "the image cannot be opened", http.StatusInternalServerError)
		return
	}
	defer f.Close()
	rw.Header().Set("Content-Type", "application/octet-stream")
	rw.Header().Set("ETag", w.etag)
	http.ServeContent(&counter{rw, &w.bytes}, r, "", w.stat.ModTime(), f)
}

// counter counts what is sent.
type counter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// ReadFrom leaves the copying to the kernel, which knows a file behind one limit,
// in pieces so that they count soon.
func (c *counter) ReadFrom(r io.Reader) (sum int64, err error) {
	limit, ok := r.(*io.LimitedReader)
	if !ok {
		limit = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	to := c.ResponseWriter.(io.ReaderFrom)
	for limit.N > 0 {
		piece := min(4<<20, limit.N)
		n, err := to.ReadFrom(&io.LimitedReader{R: limit.R, N: piece})
		limit.N -= n
		sum += n
		c.n.Add(n)
		if err != nil || n < piece {
			return sum, err
		}
	}
	return sum, nil
}

// sumsOf computes the digests of a file's chunks once, when they are first
// asked for.
type sumsOf struct {
	file io.ReaderAt
	size int64
	ctx  context.Context
	end  context.CancelFunc
	once sync.Once
	done chan struct{}
	text []byte
	err  error
}

func newSums(file io.ReaderAt, size int64) *sumsOf {
	s := &sumsOf{file: file, size: size, done: make(chan struct{})}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// begin has them computed.
func (s *sumsOf) begin() {
	s.once.Do(func() {
		go func() {
			defer close(s.done)
			var all *frisbee.Sums
			if all, s.err = frisbee.Sum(s.ctx, io.NewSectionReader(s.file, 0, s.size)); s.err == nil {
				s.text, s.err = all.AppendText(nil)
			}
		}()
	})
}

// close ends the computation.
func (s *sumsOf) close() {
	s.end()
	s.once.Do(func() { close(s.done) })
	<-s.done
}

func (s *sumsOf) get(ctx context.Context) ([]byte, error) {
	s.begin()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.done:
		return s.text, s.err
	}
}
