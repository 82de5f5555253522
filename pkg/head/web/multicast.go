package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
)

var (
	// errNoSessions is what a head says that sends nothing by multicast.
	errNoSessions = errors.New("this head sends no images by multicast")
	// errOther refuses an image that has the name, but not the root asked for.
	errOther = errors.New("the image of this name is another one")
)

func (s *Site) listSessions(w http.ResponseWriter, _ *http.Request) {
	list := []api.Session{}
	if s.Sessions != nil {
		list = s.Sessions.List()
	}
	reply(w, list)
}

// join tells a node where an image is sent by multicast, on the network that it
// asks from.
func (s *Site) join(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r) {
		http.Error(w, "send application/json", http.StatusUnsupportedMediaType)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	ask, err := decode[api.Join](r)
	var room api.Room
	if err == nil {
		room, err = s.room(ask, r)
	}
	if err != nil {
		s.Log.Info("no multicast session", "image", ask.Image, "for", remote(r), "reason", err)
		refuse(w, err)
		return
	}
	s.Log.Debug("multicast session given", "image", room.Image, "peer", room.Peer, "for", remote(r))
	reply(w, room)
}

func (s *Site) room(ask api.Join, r *http.Request) (room api.Room, err error) {
	if s.Sessions == nil {
		return room, errNoSessions
	}
	name, err := ours(ask.Image, r)
	if err != nil {
		return room, err
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if local == nil {
		return room, &sessions.NetworkError{Why: "this request came to no address"}
	}
	iface, err := sessions.Interface(local.AddrPort().Addr())
	if err != nil {
		return room, err
	}
	image, err := sessions.Open(s.Images, name)
	if err != nil {
		return room, err
	}
	if ask.Root != "" && !strings.EqualFold(ask.Root, image.Root) {
		return room, errors.Join(fmt.Errorf("%w: image %s has the root %s, not %s", errOther, name, image.Root, ask.Root), image.File.Close())
	}
	return s.Sessions.Join(image, iface)
}

// ours is the name of an image at this head that is called by its name, or by
// its URL as the one who asks reaches it.
func ours(image string, r *http.Request) (string, error) {
	name, own := ownImage(image)
	if own {
		return name, nil
	}
	u, err := url.Parse(image)
	if err != nil {
		return "", fmt.Errorf("%w: image: %w", errRequest, err)
	}
	name, found := strings.CutPrefix(u.Path, "/images/")
	if !found || u.Host != r.Host {
		return "", fmt.Errorf("image %s: %w at this head, which is http://%s", image, os.ErrNotExist, r.Host)
	}
	return name, nil
}
