// Package emulab lets the frisbee clients of Emulab and its descendants have the
// head's images (docs/frisbee.md): it answers for frisbee's master server, out of
// the image store, and starts the same multicast sessions as Orbit's own nodes
// ask for. Nothing but multicast is offered. If it may, it takes uploads of new
// .ndz images.
package emulab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// Handler is a master.Handler. All but Uploads must be set.
type Handler struct {
	Images   *images.Store
	Sessions *sessions.Table
	Networks []netip.Prefix // that hosts must be on
	Uploads  bool           // new images are taken
	Log      *slog.Logger

	mu      sync.Mutex
	uploads map[string]chan struct{} // by name, each closed when it is over
}

// suffix is what the name of an image may have behind its id.
const suffix = ".ndz"

// find gives the name of the image that an id means. Ids of testbeds are paths,
// or have the project before the image.
func (h *Handler) find(id string) (name string, err error) {
	name = path.Base(id)
	for _, name := range []string{name, name + suffix} {
		if images.CheckName(name) == nil && h.Images.Has(name) {
			return name, nil
		}
	}
	return "", wire.CodeUnknown
}

// admit tells whether a host may ask for itself or for another one.
func (h *Handler) admit(caller netip.Addr, host [4]byte) error {
	if !h.near(caller) {
		return wire.CodeDenied
	}
	if !h.near(netip.AddrFrom4(host)) {
		return wire.CodeHost
	}
	return nil
}

func (h *Handler) near(a netip.Addr) bool {
	for _, p := range h.Networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Get says where an image is sent, and sees to it that it is.
func (h *Handler) Get(_ context.Context, caller netip.Addr, m wire.Get) (reply wire.GetReply, err error) {
	defer func() { h.log("get", m.ID, caller, m.Status, err) }()
	if err := h.admit(caller, m.Host); err != nil {
		return reply, err
	}
	name, err := h.find(m.ID)
	if err != nil {
		return reply, err
	}
	if m.Methods&wire.Multicast == 0 {
		return reply, wire.CodeMethod
	}
	iface, err := multicast.Route(netip.AddrFrom4(m.Host))
	if err != nil {
		return reply, err
	}
	image, err := sessions.Open(h.Images, name)
	if errors.Is(err, fs.ErrNotExist) {
		return reply, wire.CodeUnknown
	}
	if err != nil {
		return reply, err
	}
	st, err := image.File.Stat()
	if err != nil {
		return reply, errors.Join(err, image.File.Close())
	}
	reply = wire.GetReply{
		Method: wire.Multicast, Size: uint64(st.Size()), Signature: wire.ModTimeSignature(uint32(st.ModTime().Unix())),
	}
	if m.Status {
		if s, ok := h.Sessions.Find(image.ETag, iface); ok {
			at(&reply, s.Room)
		}
		return reply, image.File.Close()
	}
	room, err := h.Sessions.Join(image, iface)
	var full *sessions.FullError
	var size *wire.SizeError
	switch {
	case errors.As(err, &full), errors.Is(err, sessions.ErrEnded):
		return wire.GetReply{}, fmt.Errorf("%w: %w", wire.CodeBusy, err)
	case errors.As(err, &size):
		return wire.GetReply{}, fmt.Errorf("%w: %w", wire.CodeInvalid, err)
	case err != nil:
		return wire.GetReply{}, err
	}
	at(&reply, room)
	return reply, nil
}

// at says in a reply where an image is sent.
func at(reply *wire.GetReply, room api.Room) {
	reply.Running = true
	reply.Server, reply.Addr, reply.Port = room.Server.As4(), room.Peer.Addr().As4(), room.Peer.Port()
}

// log tells of a request: of what was refused, and why, as information.
func (h *Handler) log(what, id string, caller netip.Addr, status bool, err error) {
	level := slog.LevelDebug
	words := []any{"request", what, "image", id, "from", caller, "status", status}
	if err != nil {
		level, words = slog.LevelInfo, append(words, "refused", err)
	}
	h.Log.Log(context.Background(), level, "frisbee request", words...)
}
