package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Network is one subnet with the addresses that may be given out in it.
type Network struct {
	Prefix      netip.Prefix
	First, Last netip.Addr
	Router      netip.Addr // zero: no default route is announced
}

// Has tells whether an address is in the range.
func (n Network) Has(a netip.Addr) bool {
	return a.IsValid() && n.First.Compare(a) <= 0 && a.Compare(n.Last) <= 0
}

// broadcast is the last address of the subnet.
func (n Network) broadcast() netip.Addr {
	b := n.Prefix.Masked().Addr().As4()
	for i := n.Prefix.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

// ParseNetwork reads a range as an operator writes it: "10.0.0.100-10.0.0.200",
// in the head's own subnet, or "10.1.0.10-10.1.0.99/24" for a subnet behind a
// relay, whose relay address then is announced as its router.
func ParseNetwork(text string, own netip.Prefix) (Network, error) {
	bad := func(why string) (Network, error) {
		return Network{}, fmt.Errorf("address range %q: %s (want FIRST-LAST or FIRST-LAST/BITS)", text, why)
	}
	addresses, bits, foreign := strings.Cut(text, "/")
	from, to, ok := strings.Cut(addresses, "-")
	if !ok {
		return bad("no dash")
	}
	first, err1 := netip.ParseAddr(strings.TrimSpace(from))
	last, err2 := netip.ParseAddr(strings.TrimSpace(to))
	if err1 != nil || err2 != nil || !first.Is4() || !last.Is4() {
		return bad("not two IPv4 addresses")
	}
	n := Network{Prefix: own.Masked(), First: first, Last: last}
	if foreign {
		p, err := netip.ParsePrefix(first.String() + "/" + bits)
		if err != nil {
			return bad("bad prefix length")
		}
		n.Prefix = p.Masked()
	}
	if !n.Prefix.Contains(first) || !n.Prefix.Contains(last) {
		return bad("not inside " + n.Prefix.String())
	}
	if last.Less(first) {
		return bad("last before first")
	}
	return n, nil
}

// DefaultNetwork derives a range from the head's own address: the larger part
// of the subnet, without its first and last address.
func DefaultNetwork(own netip.Prefix) (Network, error) {
	n := Network{Prefix: own.Masked()}
	if !own.Addr().Is4() || own.Bits() > 29 {
		return n, fmt.Errorf("subnet %s is too small for an address range of its own: name one with --range FIRST-LAST", own)
	}
	head := own.Addr()
	low, high := n.Prefix.Addr().Next(), n.broadcast().Prev()
	before := value(head) - value(low)
	after := value(high) - value(head)
	if after >= before {
		n.First, n.Last = head.Next(), high
	} else {
		n.First, n.Last = low, head.Prev()
	}
	return n, nil
}

func value(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// address turns a net.IP into an address, the invalid one for none.
func address(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip.To4())
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
