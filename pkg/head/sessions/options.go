package sessions

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// Options say where sessions are, and how they send. The zero value is good.
type Options struct {
	// Groups are the ones to choose from; the zero value is DefaultGroups.
	Groups netip.Prefix
	// First and Last are the UDP ports to choose from; 0 are the default ones.
	First, Last uint16
	TTL         int // 0 is 5

	MaxRate int64   // of a session, bit/s; 0 is what the interface can
	Share   float64 // of the clients that the rate waits for; 0 is 0.9

	Most int           // sessions at a time; 0 is DefaultMost
	Idle time.Duration // a session ends that nobody wants anything of for so long; 0 is DefaultIdle

	// Name gives the node that has an address, "" where it is not known. May be
	// nil.
	Name func(netip.Addr) string
	Log  *slog.Logger // nil is silent
}

// Defaults of Options. A node that was told of a session joins it when it has
// compared its disk with the image, which may have much to read.
const (
	DefaultFirst, DefaultLast = 21000, 21999
	DefaultMost               = 16
	DefaultIdle               = frisbee.Patience
)

// DefaultGroups are of the organization-local scope (RFC 2365): routers at the
// edge of a site keep them in.
func DefaultGroups() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{239, 192, 0, 0}), 16)
}

func (o Options) withDefaults() Options {
	if !o.Groups.IsValid() {
		o.Groups = DefaultGroups()
	}
	o.Groups = o.Groups.Masked()
	if o.First == 0 && o.Last == 0 {
		o.First, o.Last = DefaultFirst, DefaultLast
	}
	o.Last = max(o.First, o.Last)
	o.Most = cmp.Or(o.Most, DefaultMost)
	o.Idle = cmp.Or(o.Idle, DefaultIdle)
	if o.Name == nil {
		o.Name = func(netip.Addr) string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Check tells what is wrong with options.
func (o Options) Check() error {
	o = o.withDefaults()
	switch first, last := bounds(o.Groups); {
	case !o.Groups.Addr().Is4() || !first.IsMulticast() || !last.IsMulticast():
		return fmt.Errorf("multicast groups %s are not within 224.0.0.0/4", o.Groups)
	case !usable(last) && !usable(first) && o.Groups.Bits() >= 24:
		return fmt.Errorf("multicast groups %s have the Ethernet addresses of 224.0.0.0/24, which switches send everywhere: choose others", o.Groups)
	case o.First == 0:
		return fmt.Errorf("multicast ports %d-%d: want ports from 1 on", o.First, o.Last)
	case o.TTL < 0 || o.TTL > 255:
		return fmt.Errorf("multicast ttl %d is not one of 1 to 255", o.TTL)
	case o.MaxRate < 0:
		return fmt.Errorf("multicast rate %d bit/s is negative", o.MaxRate)
	case o.Share < 0 || o.Share > 1:
		return fmt.Errorf("multicast share %v is not from 0 to 1", o.Share)
	case o.Most < 1 || o.Idle < 0:
		return fmt.Errorf("multicast sessions: want one at least, and that they end")
	}
	return nil
}

// bounds are the first and the last address of a prefix of IPv4.
func bounds(p netip.Prefix) (first, last netip.Addr) {
	if !p.Addr().Is4() {
		return p.Addr(), p.Addr()
	}
	return p.Addr(), at(p, 1<<(32-p.Bits())-1)
}

// at is the n-th address of a prefix of IPv4.
func at(p netip.Prefix, n uint32) netip.Addr {
	b := p.Addr().As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// usable groups are those whose Ethernet address is not that of the groups
// 224.0.0.0/24, too, which switches do not keep from anybody (RFC 4541).
func usable(group netip.Addr) bool {
	b := group.As4()
	return b[1]&0x7f != 0 || b[2] != 0
}
