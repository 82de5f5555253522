package dhcp

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
)

// responder turns requests into replies. It owns no socket, so that every
// decision can be tested on packets alone. It is used from one goroutine.
type responder struct {
	Config
	leases *Leases
	log    *slog.Logger
	rival  netip.Addr // another DHCP server seen on the network
}

// Ports that requests come in by.
const (
	serverPort = 67
	clientPort = 68
	binlPort   = 4011
)

// reply answers one request that arrived on a port, or returns nil.
func (r *responder) reply(m *dhcpv4.DHCPv4, port int, now time.Time) *dhcpv4.DHCPv4 {
	if m.OpCode != dhcpv4.OpcodeBootRequest || len(m.ClientHWAddr) != 6 {
		return nil
	}
	c := boot.Identify(m)
	switch {
	case c.Kind == boot.Agent && m.MessageType() == dhcpv4.MessageTypeInform:
		return r.inform(m, c)
	case port == binlPort:
		return r.binl(m, c)
	case r.Proxy:
		return r.proxy(m, c)
	}
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return r.discover(m, c, now)
	case dhcpv4.MessageTypeRequest:
		return r.request(m, c, now)
	case dhcpv4.MessageTypeInform:
		return r.inform(m, c)
	case dhcpv4.MessageTypeRelease:
		r.keep(r.leases.Release(c.MAC.String(), address(m.ClientIPAddr), now))
	case dhcpv4.MessageTypeDecline:
		a := address(m.RequestedIPAddress())
		r.log.Warn("dhcp: node found its address in use by another machine", "mac", c.MAC.String(), "address", a)
		r.keep(r.leases.Decline(c.MAC.String(), a, now))
	}
	return nil
}

// start opens a reply of a given type with what every reply carries; the
// library copies the relay's and the client's own identifiers (RFC 3046, 6842).
func (r *responder) start(m *dhcpv4.DHCPv4, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	reply, err := dhcpv4.NewReplyFromRequest(m,
		dhcpv4.WithMessageType(t),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(r.Address.AsSlice())))
	if err != nil { // only where no transaction number can be made, and the request has one
		return nil
	}
	// PXE ROMs drop replies without their UUID (RFC 4578 section 2.3).
	if v := m.Options.Get(dhcpv4.OptionClientMachineIdentifier); v != nil {
		reply.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, v))
	}
	return reply
}

// boot decides the boot part of a reply and says so in the log.
func (r *responder) boot(m *dhcpv4.DHCPv4, c boot.Client) boot.Answer {
	a, err := r.Boot.Answer(c)
	if err != nil {
		r.log.Warn("dhcp: no boot answer", "mac", c.MAC.String(), "reason", err)
	}
	return a
}

// inform answers a client that has an address and wants to know the rest. To
// the agent it tells where the head is, whoever gave out the address.
func (r *responder) inform(m *dhcpv4.DHCPv4, c boot.Client) *dhcpv4.DHCPv4 {
	reply := r.start(m, dhcpv4.MessageTypeAck)
	if reply == nil {
		return nil
	}
	reply.ClientIPAddr = m.ClientIPAddr
	if n, ok := r.network(m); ok && !r.Proxy {
		r.settings(reply, n, m)
	}
	r.head(reply, m, c)
	return reply
}

// head adds the head's URL for those that know what it is.
func (r *responder) head(reply, m *dhcpv4.DHCPv4, c boot.Client) {
	if c.Kind == boot.Agent || m.ParameterRequestList().Has(optionHead) {
		reply.UpdateOption(dhcpv4.OptGeneric(optionHead, []byte(r.Boot.Head)))
	}
}

// keep reports a lease table that could not be written; service goes on.
func (r *responder) keep(err error) {
	if err != nil {
		r.log.Error("dhcp: leases not saved, they would be lost at a restart", "error", err)
	}
}

// destination is where a reply goes: RFC 2131 section 4.1, and for port 4011
// back to the sender. Clients without an address are answered by broadcast,
// which all of them hear.
func destination(m, reply *dhcpv4.DHCPv4, from *net.UDPAddr, port int) *net.UDPAddr {
	relay, client := address(m.GatewayIPAddr), address(m.ClientIPAddr)
	switch {
	case relay.IsValid():
		return &net.UDPAddr{IP: relay.AsSlice(), Port: serverPort}
	case port == binlPort && !from.IP.IsUnspecified():
		return from
	case port == binlPort && client.IsValid():
		return &net.UDPAddr{IP: client.AsSlice(), Port: from.Port}
	case client.IsValid() && reply.MessageType() != dhcpv4.MessageTypeNak:
		return &net.UDPAddr{IP: client.AsSlice(), Port: clientPort}
	}
	return &net.UDPAddr{IP: net.IPv4bcast, Port: clientPort}
}
