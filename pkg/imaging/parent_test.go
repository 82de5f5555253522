package imaging

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A server that gives the parent and never answers what its root is gets the
// whole image.
func TestParentMute(t *testing.T) {
	disk, used := usedDisk(t, size, 512, 31)
	file := orbitImage(t, disk, used, 512)
	for _, mute := range []bool{true, false} {
		var got []byte
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodHead && mute:
				<-r.Context().Done()
			case r.Method == http.MethodPut:
				got, _ = io.ReadAll(r.Body)
				w.WriteHeader(http.StatusCreated)
			default:
				w.Header().Set("ETag", `"one"`)
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
			}
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		told := &notes{}
		_, err := Save(ctx, SaveOptions{
			Disk: store(t, "disk", disk), Dest: server.URL + "/new", Parent: server.URL + "/parent", Patience: 400 * time.Millisecond, Events: told.sink,
		})
		cancel()
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		same(t, "image", unpack(t, got), disk)
		want := 0
		if mute {
			want = 1
		}
		told.has(t, want, "all spans are sent")
	}
}
