package agent

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// askRoom is how long the head may take to begin a multicast session.
const askRoom = 10 * time.Second

// room asks the head for the multicast session of a job's image, and gives it as
// imagenode takes it. Without one the image comes by HTTP, and "" is given.
func (a *agent) room(ctx context.Context, job api.Job) string {
	if !job.Multicast || api.IsFrisbee(job.Image) { // the latter needs no head
		return ""
	}
	room, err := a.join(ctx, job)
	if err != nil {
		if ctx.Err() == nil {
			e := a.event(api.Fetch, api.Note, time.Now(), fmt.Sprintf("no multicast, the image comes by HTTP alone: %v", err))
			e.Warn = true
			a.sink(e)
		}
		return ""
	}
	return room.Peer.String() + "%" + a.net.Interface
}

// join asks the head that the node has, or else the one that the image is of.
func (a *agent) join(ctx context.Context, job api.Job) (room api.Room, err error) {
	if !a.net.Addr.Addr().Is4() {
		return room, fmt.Errorf("interface %s has no IPv4 address", a.net.Interface)
	}
	h := a.head
	if h == nil {
		u, err := url.Parse(job.Image)
		if err != nil {
			return room, err
		}
		h = newHead(u.Scheme+"://"+u.Host, a.net.MAC)
		defer h.client.CloseIdleConnections()
	}
	ctx, cancel := context.WithTimeout(ctx, askRoom)
	defer cancel()
	room, err = h.join(ctx, api.Join{Image: job.Image, Root: job.Root})
	switch {
	case err != nil:
	case !room.Peer.Addr().Is4() || room.Peer.Port() == 0:
		err = fmt.Errorf("%s is no head: its answer names no group", h.base)
	case room.Block != 0 && room.Block != 1024:
		err = fmt.Errorf("the head sends blocks of %d bytes, not 1024", room.Block)
	}
	return room, err
}
