package imaging

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// withSums serves sums of a file beside what h serves.
func withSums(t testing.TB, file []byte, h http.Handler) http.Handler {
	s, err := frisbee.Sum(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := s.AppendText(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, frisbee.SumsSuffix) {
			w.Write(text)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Chunks of an .ndz image come by multicast, with and without sums beside it.
func TestRoomChunks(t *testing.T) {
	disk, used := usedDisk(t, 64*mib, 512, 6)
	file := packed.Used(t, disk, used)
	noise := bytes.Clone(file)
	r := rand.New(rand.NewPCG(3, 4))
	for off := 0; off < len(noise); off += ndz.ChunkSize { // the data of every chunk, not its header
		noise[off+ndz.HeaderSize+r.IntN(ndz.ChunkSize/2)] ^= 0x55
	}
	for name, c := range map[string]struct {
		sums bool
		sent []byte
		http int64 // bytes, at most
		cast int64 // bytes, at least
	}{
		"sums":         {true, file, int64(len(file)) / 4, int64(len(file))},
		"no sums":      {false, file, int64(len(file)) / 4, int64(len(file))},
		"lies":         {true, noise, int64(len(file)) * 3 / 2, 0},
		"plain lies":   {false, noise, int64(len(file)) * 3 / 2, 0},
		"other size":   {true, file[:len(file)-ndz.ChunkSize], int64(len(file)) * 3 / 2, 0},
		"not an image": {false, bytes.Repeat([]byte("no image"), len(file)/8), int64(len(file)) * 3 / 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := newClassroom(t, file, lab.Options{})
			web := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(web.Close)
			plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, frisbee.SumsSuffix) {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("ETag", `"one"`)
				http.ServeContent(&weighed{w, &room.served}, r, "", time.Unix(1e9, 0), bytes.NewReader(file))
			})
			web.Config.Handler = plain
			if c.sums {
				web.Config.Handler = withSums(t, file, plain)
			}
			room.url = web.URL + "/image.ndz?key=1"
			room.serve(bytes.NewReader(c.sent), int64(len(c.sent)), 0)
			dest := filepath.Join(t.TempDir(), "disk")
			got := room.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
			holdsImage(t, dest, disk, used)
			if got.Multicast < c.cast || room.served.Load() > c.http {
				t.Errorf("of %d bytes %d came by multicast, %d by HTTP; notes %q", len(file), got.Multicast, room.served.Load(), room.notes)
			}
			if bad := c.cast == 0; bad != (room.said("HTTP") == 1) {
				t.Errorf("notes: %q", room.notes)
			}
		})
	}
}

// Sums of another version of the image are not put up with.
func TestRoomOtherSums(t *testing.T) {
	disk, used := usedDisk(t, 16*mib, 512, 6)
	file := packed.Used(t, disk, used)
	web := httptest.NewServer(withSums(t, file[ndz.ChunkSize:], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(file))
	})))
	defer web.Close()
	_, err := Write(t.Context(), WriteOptions{Source: web.URL + "/image.ndz", Disk: filepath.Join(t.TempDir(), "disk"), Room: &Room{Peer: roomPeer}})
	if err == nil || !strings.Contains(err.Error(), "another version") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("got %v", err)
	}
}
