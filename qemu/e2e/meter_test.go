package e2e

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// meter serves a file and counts what it sends. When it has sent limit bytes
// of it, it closes reached and sends no more until it is released, or never
// again.
type meter struct {
	path     string
	limit    int64 // bytes; 0 = none
	dies     bool  // at the limit: every answer breaks off
	sent     atomic.Int64
	reached  chan struct{}
	released chan struct{}
	once     sync.Once
}

func newMeter(path string, limit int64) *meter {
	return &meter{path: path, limit: limit, reached: make(chan struct{}), released: make(chan struct{})}
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(m.path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if m.dies && m.sent.Load() >= m.limit {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, st.ModTime().UnixNano()))
	http.ServeContent(metered{w, m}, r, "", st.ModTime(), f)
}

type metered struct {
	http.ResponseWriter
	m *meter
}

func (w metered) Write(b []byte) (int, error) {
	if n := w.m.sent.Add(int64(len(b))); w.m.limit > 0 && n >= w.m.limit {
		w.m.once.Do(func() { close(w.m.reached) })
		if w.m.dies {
			panic(http.ErrAbortHandler)
		}
		<-w.m.released
	}
	return w.ResponseWriter.Write(b)
}
