package room

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// Web serves a file, and its sums beside it, by HTTP. It tells nothing.
type Web struct {
	File string
	Addr netip.AddrPort
}

// URL is where the file is.
func (r *Web) URL() string { return "http://" + r.Addr.String() + "/image" }

func (*Web) name() string { return "web" }

func (r *Web) run(ctx context.Context, s *stage) (any, error) {
	f, err := os.Open(r.File)
	if err != nil {
		return nil, err
	}
	sums, err := frisbee.Sum(ctx, f)
	f.Close()
	if err != nil {
		return nil, err
	}
	text, err := sums.AppendText(nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /image", func(w http.ResponseWriter, q *http.Request) { http.ServeFile(w, q, r.File) })
	mux.HandleFunc("GET /image"+frisbee.SumsSuffix, func(w http.ResponseWriter, q *http.Request) {
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(text))
	})
	l, err := net.Listen("tcp4", r.Addr.String())
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	// Clients may come before the start, for the sums.
	err = s.ready()
	if err == nil {
		<-ctx.Done()
	}
	server.Close()
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return nil, err
}

// Fetch takes a file by HTTP. It tells a Got without statistics.
type Fetch struct {
	URL, File string
}

func (*Fetch) name() string { return "fetch" }

func (r *Fetch) run(ctx context.Context, s *stage) (any, error) {
	f, err := os.Create(r.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := s.ready(); err != nil {
		return nil, err
	}
	start := time.Now()
	source, err := transfer.Open(ctx, r.URL, nil, transfer.Options{Log: s.log})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	// As imagenode writes: by large pieces.
	if _, err := io.CopyBuffer(onlyWriter{f}, source, make([]byte, 1<<20)); err != nil {
		return nil, err
	}
	return Got{Took: time.Since(start)}, f.Close()
}

// onlyWriter hides that a file can read by itself.
type onlyWriter struct{ io.Writer }
