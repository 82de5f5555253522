// Package dhcp answers DHCPv4 (RFC 2131, 2132) on one interface, either as
// the network's DHCP server or, beside another one, as a proxyDHCP server that
// adds only the boot answer (PXE 2.1 section 2, UDP ports 67 and 4011). What a
// client is told to boot comes from package boot.
package dhcp

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
)

// Config is everything the server needs to know.
type Config struct {
	Interface string     // the only one it listens and answers on
	Address   netip.Addr // of the head on that interface
	Boot      boot.Policy
	Proxy     bool // another server gives out the addresses

	// The rest is for the full server only.
	Networks     []Network // the interface's own first, then those behind relays
	Router       netip.Addr
	DNS, NTP     []netip.Addr
	Domain       string
	Lease        time.Duration
	Reservations []Reservation
	LeaseFile    string
}

// optionHead carries the head's base URL to the agent, for nodes that were
// started without an orbit.head= on their command line. 224 is the first of
// the site-specific codes (RFC 3942).
const optionHead = dhcpv4.GenericOptionCode(224)

func ips(addrs []netip.Addr) []net.IP {
	list := make([]net.IP, len(addrs))
	for i, a := range addrs {
		list[i] = a.AsSlice()
	}
	return list
}
