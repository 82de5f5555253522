package emulab

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

var caller = netip.MustParseAddr("10.1.2.3")

func newHandler(t *testing.T) *Handler {
	t.Helper()
	store, err := images.OpenOrbit(t.TempDir(), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Handler{
		Images: store, Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Uploads: true, Log: slog.New(slog.DiscardHandler),
	}
}

func (h *Handler) begin(t *testing.T, id string, size int) master.Writer {
	t.Helper()
	u, err := h.Put(t.Context(), caller, wire.Put{Host: caller.As4(), ID: id, Size: uint64(size)})
	if err != nil {
		t.Fatal(err)
	}
	w, err := u.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A client asks once after it has sent an image whether it is there, and takes a
// no for an answer. So it waits as long as the image is being checked.
func TestStatusDuringUpload(t *testing.T) {
	h := newHandler(t)
	var image bytes.Buffer
	disk := bytes.Repeat([]byte("orbit"), 1<<18)
	if _, err := ndz.Write(t.Context(), &image, bytes.NewReader(disk), int64(len(disk)), extent.NewSet(extent.Range{End: int64(len(disk))}), ndz.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	status := func(ctx context.Context, id string) (master.Upload, error) {
		return h.Put(ctx, caller, wire.Put{Host: caller.As4(), ID: id, Status: true})
	}
	w := h.begin(t, "testbed/new", image.Len())
	soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if u, err := status(soon, "testbed/new"); !errors.Is(err, wire.CodeBusy) {
		t.Errorf("of an image that is being uploaded: %+v, %v", u, err)
	}
	if u, err := status(t.Context(), "testbed/other"); err != nil || u.Exists {
		t.Errorf("of another one: %+v, %v", u, err)
	}
	answer := make(chan master.Upload, 1)
	go func() {
		u, err := status(t.Context(), "testbed/new.ndz")
		if err != nil {
			t.Error(err)
		}
		answer <- u
	}()
	if _, err := w.Write(image.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if u := <-answer; !u.Exists || u.Size != uint64(image.Len()) {
		t.Errorf("of an image that was uploaded: %+v", u)
	}

	// What came to nothing does not keep anybody waiting.
	w = h.begin(t, "gone", 10)
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if u, err := status(t.Context(), "gone"); err != nil || u.Exists {
		t.Errorf("of an upload that was given up: %+v, %v", u, err)
	}
}
