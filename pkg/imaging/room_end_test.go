package imaging

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// TestRoomEndsAmidChunk has a session end, since most of what it brings is wrong,
// while a chunk that is right is being written. Only the session has failed: that
// chunk is written, and the rest comes by HTTP.
func TestRoomEndsAmidChunk(t *testing.T) {
	disk, used := usedDisk(t, 96*mib, 512, 6)
	for name, file := range map[string][]byte{"orbit": orbitImage(t, disk, used, 512), "ndz": packed.Used(t, disk, used)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lies := bytes.Clone(file)
			for off := 0; off < len(lies); off += 16 << 10 {
				if off/mib/4%3 > 0 && off%mib >= ndz.HeaderSize {
					lies[off] ^= 0x55
				}
			}
			c := newClassroom(t, file, lab.Options{})
			plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"one"`)
				http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(file))
			})
			web := httptest.NewServer(withSums(t, file, plain))
			t.Cleanup(web.Close)
			c.url = web.URL + "/image"
			var held atomic.Bool
			c.tune = func(o *frisbee.ClientOptions) {
				take := o.Chunk
				o.Chunk = func(ctx context.Context, k int32, data []byte) error {
					if k/4%3 == 0 && k > 0 && held.CompareAndSwap(false, true) {
						select {
						case <-ctx.Done():
						case <-time.After(30 * time.Second):
							t.Error("the session does not end")
						}
					}
					return take(ctx, k, data)
				}
			}
			c.serve(bytes.NewReader(lies), int64(len(lies)), 0)
			dev := otherLife(t, len(disk), 512)
			c.write(WriteOptions{Disk: dev, Verify: VerifyDisk})
			holdsImage(t, dev, disk, used)
			if !held.Load() {
				t.Error("no chunk was being written")
			}
			if n := c.said("multicast is of no use (more of it is wrong than right"); n != 1 {
				t.Errorf("said so %d times: %q", n, c.notes)
			}
		})
	}
}
