package emulab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// Put says what there is of an image, and takes one that is new. It is stored as
// an .ndz image under the last part of its id, after the checks of the store. An
// image that is there is not replaced: whoever is on the network may ask.
func (h *Handler) Put(ctx context.Context, caller netip.Addr, m wire.Put) (u master.Upload, err error) {
	defer func() { h.log("put", m.ID, caller, m.Status, err) }()
	if err := h.admit(caller, m.Host); err != nil {
		return u, err
	}
	if netip.AddrFrom4(m.Host) != caller {
		return u, wire.CodeHost // it is the caller that sends
	}
	if !h.Uploads {
		return u, wire.CodeDenied
	}
	u.Max = uint64(h.Images.MaxSize())
	name, err := h.find(m.ID)
	if err != nil && m.Status {
		if err := h.await(ctx, ndzName(m.ID)); err != nil {
			return master.Upload{}, err
		}
		name, err = h.find(m.ID)
	}
	switch {
	case err == nil:
		u.Exists = true
		if u.Size, u.Signature, err = h.version(name); err != nil {
			return master.Upload{}, err
		}
		if !m.Status {
			return u, fmt.Errorf("%w: there is an image %s already, and it is not replaced", wire.CodeDenied, name)
		}
		return u, nil
	case !errors.Is(err, wire.CodeUnknown):
		return u, err
	}
	name = ndzName(m.ID)
	if images.CheckName(name) != nil {
		return u, wire.CodeInvalid
	}
	u.Create = func(ctx context.Context) (master.Writer, error) { return h.create(ctx, name, m) }
	return u, nil
}

// ndzName is what an image is stored as that is uploaded by an id.
func ndzName(id string) string { return strings.TrimSuffix(path.Base(id), suffix) + suffix }

// checking is how long a request for the status of an image waits for an upload of
// it to end: clients ask right after it, once, and to check a large image takes a
// while.
const checking = 20 * time.Second

// await waits for an upload of a name to be over, if there is one.
func (h *Handler) await(ctx context.Context, name string) error {
	h.mu.Lock()
	over := h.uploads[name]
	h.mu.Unlock()
	if over == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, checking)
	defer stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: image %s is being uploaded or checked", wire.CodeBusy, name)
	}
}

// begins notes an upload until the function that it gives is called, once.
func (h *Handler) begins(name string) (ends func()) {
	over := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.uploads == nil {
		h.uploads = map[string]chan struct{}{}
	}
	h.uploads[name] = over
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.uploads[name] == over { // the store may have let the next one begin
			delete(h.uploads, name)
		}
		close(over)
	}
}

// version is what tells one version of an image from another.
func (h *Handler) version(name string) (size uint64, s wire.Signature, err error) {
	f, err := h.Images.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, s, wire.CodeBusy // it was there just now
	}
	if err != nil {
		return 0, s, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, s, err
	}
	return uint64(st.Size()), wire.ModTimeSignature(uint32(st.ModTime().Unix())), nil
}

func (h *Handler) create(ctx context.Context, name string, m wire.Put) (master.Writer, error) {
	u, err := h.Images.Create(name, int64(m.Size))
	var space *images.SpaceError
	var limit *images.LimitError
	switch {
	case errors.Is(err, images.ErrBusy):
		return nil, fmt.Errorf("%w: %w", wire.CodeBusy, err)
	case errors.As(err, &space), errors.As(err, &limit):
		return nil, fmt.Errorf("%w: %w", wire.CodeTooBig, err)
	case err != nil:
		return nil, err
	}
	return &upload{Upload: u, ctx: ctx, ends: h.begins(name)}, nil
}

// upload is an image on its way into the store.
type upload struct {
	*images.Upload
	ctx  context.Context // of the server
	over bool            // the store has let go of it
	ends func()
}

// Commit has the store check the image, and publish it.
func (u *upload) Commit(modified time.Time) error {
	u.over = true
	defer u.ends()
	u.Modified = modified
	_, _, err := u.Upload.Commit(u.ctx, "")
	return err
}

// Abort may follow a Commit that failed.
func (u *upload) Abort() error {
	if u.over {
		return nil
	}
	u.over = true
	defer u.ends()
	return u.Upload.Abort()
}
