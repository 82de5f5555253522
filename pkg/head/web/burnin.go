package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/orbit-pxe/orbit/pkg/burnin"
)

const (
	// maxStreams is how many burn-ins may send or take at a time: those beyond wait.
	maxStreams = 16
	// streamTime bounds one stream.
	streamTime = 2 * time.Minute
)

// streams bounds how many there are.
type streams chan struct{}

func newStreams() streams { return make(streams, maxStreams) }

// enter takes a place, if there is one, and reads what is asked for.
func (s streams) enter(w http.ResponseWriter, r *http.Request) (seed uint64, n int64, ok bool) {
	seed, err := strconv.ParseUint(r.URL.Query().Get("seed"), 16, 64)
	n, err2 := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err := errors.Join(err, err2); err != nil || n < 1 || n > burnin.MaxStream {
		http.Error(w, fmt.Sprintf("want seed in hexadecimal digits, and bytes from 1 to %d", burnin.MaxStream), http.StatusBadRequest)
		return 0, 0, false
	}
	select {
	case s <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("%d burn-ins have streams already: try again", maxStreams), http.StatusServiceUnavailable)
		return 0, 0, false
	}
	c := http.NewResponseController(w)
	end := time.Now().Add(streamTime)
	if err := errors.Join(c.SetReadDeadline(end), c.SetWriteDeadline(end)); err != nil {
		<-s
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return 0, 0, false
	}
	return seed, n, true
}

func (s streams) leave(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // the connection is used again
	c.SetWriteDeadline(time.Time{})
	<-s
}

// send gives a stream.
func (s streams) send(w http.ResponseWriter, r *http.Request) {
	seed, n, ok := s.enter(w, r)
	if !ok {
		return
	}
	defer s.leave(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	io.CopyBuffer(writerOnly{w}, io.LimitReader(burnin.Stream(seed), n), make([]byte, 256<<10))
}

// writerOnly hides that a response can copy by itself, in small buffers.
type writerOnly struct{ io.Writer }

// take compares a stream that is sent with what it ought to be.
func (s streams) take(w http.ResponseWriter, r *http.Request) {
	seed, n, ok := s.enter(w, r)
	if !ok {
		return
	}
	defer s.leave(w)
	right, err := burnin.Compare(r.Body, seed, n)
	var differ *burnin.DifferError
	switch {
	case errors.As(err, &differ):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		http.Error(w, fmt.Sprintf("only %d of %d bytes came: %v", right, n, err), http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"bytes\":%d}\n", right)
	}
}

// burnin routes what burn-ins ask for.
func (s *Site) burnin(mux *http.ServeMux) {
	all := newStreams()
	mux.HandleFunc("GET "+burnin.StreamPath, all.send)
	mux.HandleFunc("POST "+burnin.StreamPath, all.take)
}
