package transfer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestHead(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		switch {
		case r.Method != http.MethodHead:
			t.Errorf("asked by %s", r.Method)
		case r.URL.Path == "/gone":
			http.NotFound(w, r)
			return
		case r.URL.Path == "/silent", r.URL.Path == "/late" && n == 1:
			<-r.Context().Done()
			return
		case r.URL.Path == "/busy" && n < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Said", r.URL.Path)
	}))
	defer s.Close()
	for _, path := range []string{"/here", "/busy", "/late"} {
		asked.Store(0)
		h, err := Head(t.Context(), s.URL+path, Options{Patience: 5 * time.Second, Stall: 300 * time.Millisecond})
		if err != nil || h.Get("X-Said") != path {
			t.Errorf("%s: %v, %v", path, h, err)
		}
	}
	var status *StatusError
	if _, err := Head(t.Context(), s.URL+"/gone", Options{}); !errors.As(err, &status) || status.Code != 404 {
		t.Errorf("error is %v, want a 404", err)
	}
	var stalled *StalledError
	if _, err := Head(t.Context(), s.URL+"/silent", Options{Patience: 300 * time.Millisecond}); !errors.As(err, &stalled) || !strings.HasPrefix(err.Error(), "fetch ") {
		t.Errorf("error is %v, want it to tell of silence", err)
	}
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := Head(ctx, s.URL+"/silent", Options{}); !errors.Is(err, reason) {
		t.Errorf("error is %v, want the reason to end", err)
	}
}
