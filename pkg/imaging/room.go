package imaging

import "net/netip"

// Room is a multicast session that sends an image to many nodes at once. The
// URL of the image gives its index, what does not arrive, and all of it where no
// multicast does.
type Room struct {
	Peer      netip.AddrPort // the group, the broadcast address or the server, and the port of all
	Interface string         // to join on; "": the one that leads to Peer
	Server    netip.Addr     // the only one to take data from; not valid: the first that answers
	Block     int            // bytes of a block: 0 or 1024, or 8192 on a network with jumbo frames
}
