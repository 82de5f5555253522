package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"syscall"
	"time"
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
	w.Header().Set("ETag", tag(st))
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

// tag holds what differs when a file is replaced (inode) or written to (time).
func tag(st os.FileInfo) string {
	var inode uint64
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprintf(`"%x-%x-%x"`, inode, st.Size(), st.ModTime().UnixNano())
}
