package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// send serves an open file, with ranges, and closes it. The entity tag changes
// whenever the file is replaced or written to, so that a client resuming a
// transfer notices.
func (s *Site) send(w http.ResponseWriter, r *http.Request, f *os.File) {
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", r.URL.Path, os.ErrNotExist)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("ETag", images.Tag(st))
	w.Header().Set("Content-Type", "application/octet-stream")
	began := time.Now()
	http.ServeContent(w, r, "", st.ModTime(), f)
	level := slog.LevelInfo
	if r.Header.Get("Range") != "" {
		level = slog.LevelDebug // a node reads an image in thousands of parts
	}
	s.Log.Log(r.Context(), level, "file sent", "path", r.URL.Path, "to", remote(r), "method", r.Method, "range", r.Header.Get("Range"),
		"size", st.Size(), "took", time.Since(began).Round(time.Millisecond), "complete", r.Context().Err() == nil)
}
