package imaging

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// frisbeeScheme begins the URLs of images that only come by multicast.
const frisbeeScheme = "frisbee://"

// IsFrisbee tells whether a source is a frisbee session, or an image of a master
// server that starts one.
func IsFrisbee(source string) bool {
	return len(source) >= len(frisbeeScheme) && strings.EqualFold(source[:len(frisbeeScheme)], frisbeeScheme)
}

// CheckFrisbee tells whether a source that IsFrisbee is one of
// frisbee://ADDRESS:PORT, frisbee://ADDRESS:PORT%INTERFACE, and
// frisbee://SERVER[:PORT]/IMAGEID.
func CheckFrisbee(source string) error {
	_, err := parseFrisbee(source)
	return err
}

// frisbeeURL is what such a URL names.
type frisbeeURL struct {
	room *Room // a session, or nil
	host string
	port string // of a master server
	id   string
}

func parseFrisbee(source string) (u frisbeeURL, err error) {
	bad := func(why string) (frisbeeURL, error) {
		return frisbeeURL{}, fmt.Errorf("%s: %s (want frisbee://GROUP:PORT of a session, or frisbee://SERVER/IMAGEID of a master server)", source, why)
	}
	host, id, _ := strings.Cut(source[len(frisbeeScheme):], "/")
	if id == "" {
		if u.room, err = ParseRoom(host); err != nil {
			return bad(err.Error())
		}
		return u, nil
	}
	if u.id, err = url.PathUnescape(id); err != nil || len(u.id) > wire.MaxID {
		return bad(fmt.Sprintf("an image id has at most %d bytes, and no %% but for escapes", wire.MaxID))
	}
	u.host, u.port = host, fmt.Sprint(wire.MasterPort)
	if h, p, err := net.SplitHostPort(host); err == nil {
		u.host, u.port = h, p
	}
	switch addr, err := netip.ParseAddr(u.host); {
	case u.host == "" || strings.ContainsAny(u.host, ":%[]"):
		return bad("no name or IPv4 address of a server")
	case err == nil && addr.IsMulticast():
		return bad("a group has no images, a master server has")
	}
	return u, nil
}

// find is the session of a URL, which a master server may have to start, and a
// host on its network, or "". size is that of the file, 0 if it is not known.
func (u frisbeeURL) find(ctx context.Context, patience time.Duration) (r *Room, from string, size uint64, err error) {
	if u.room != nil {
		return u.room, "", 0, nil
	}
	if patience <= 0 {
		patience = time.Minute
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	server := net.JoinHostPort(u.host, u.port)
	c := master.Client{Poll: 2 * time.Second, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
	a, err := c.Get(ctx, wire.Get{ID: u.id})
	if err != nil {
		return nil, "", 0, fmt.Errorf("ask the master server %s: %w%s", server, err, masterHint(err))
	}
	r = &Room{Peer: netip.AddrPortFrom(netip.AddrFrom4(a.Addr), a.Port)}
	if a.Method == wire.Unicast {
		r.Server = r.Peer.Addr() // and nobody else
	}
	if err := r.check(); err != nil {
		return nil, "", 0, fmt.Errorf("ask the master server %s for %s: its answer is of no use: %w", server, u.id, err)
	}
	return r, u.host, a.Size, nil
}

// masterHint is what to do next, in words.
func masterHint(err error) string {
	var code wire.Code
	if !errors.As(err, &code) {
		return " (does a frisbee master server run there, and may this node reach its TCP port?)"
	}
	switch code {
	case wire.CodeUnknown:
		return " (check the image id, which often is PROJECT/IMAGE)"
	case wire.CodeHost, wire.CodeUnknownHost, wire.CodeDenied:
		return " (the server gives it only to certain nodes: ask those who run it to let this one have it)"
	case wire.CodeBusy:
		return " (it may serve the image to another node alone: try again later, or have it send by multicast)"
	}
	return ""
}
