package dhcp

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
)

// discover offers an address and what to boot.
func (r *responder) discover(m *dhcpv4.DHCPv4, c boot.Client, now time.Time) *dhcpv4.DHCPv4 {
	mac := c.MAC.String()
	n, ok := r.network(m)
	if !ok {
		r.log.Warn("dhcp: request through a relay whose subnet has no range (add --range FIRST-LAST/BITS)", "mac", mac, "relay", m.GatewayIPAddr)
		return nil
	}
	a, err := r.leases.Offer(mac, address(m.RequestedIPAddress()), n, now)
	if err != nil {
		r.log.Error("dhcp: no address to offer", "mac", mac, "error", err)
		return nil
	}
	reply := r.start(m, dhcpv4.MessageTypeOffer)
	if reply == nil {
		return nil
	}
	r.lease(reply, a, n, m, c)
	return reply
}

// request confirms, extends or refuses an address: RFC 2131 section 4.3.2.
func (r *responder) request(m *dhcpv4.DHCPv4, c boot.Client, now time.Time) *dhcpv4.DHCPv4 {
	mac := c.MAC.String()
	n, ok := r.network(m)
	if !ok {
		return nil
	}
	if id := address(m.ServerIdentifier()); id.IsValid() && id != r.Address {
		r.foreign(id, mac)
		return nil
	}
	a := address(m.RequestedIPAddress())
	if !a.IsValid() {
		a = address(m.ClientIPAddr)
	}
	reply := r.start(m, dhcpv4.MessageTypeAck)
	if reply == nil {
		return nil
	}
	if !r.leases.May(mac, a, n, now) {
		r.log.Info("dhcp: address refused, the node will ask afresh", "mac", mac, "address", a)
		reply.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeNak))
		reply.UpdateOption(dhcpv4.OptMessage("address not available here"))
		reply.SetBroadcast()
		return reply
	}
	r.keep(r.leases.Bind(mac, a, m.HostName(), now, r.Lease))
	reply.ClientIPAddr = m.ClientIPAddr
	answer := r.lease(reply, a, n, m, c)
	r.log.Info("dhcp: lease", "mac", mac, "address", a, "for", r.Lease, "client", c.Kind, "boot", answer.File)
	return reply
}

// lease fills in an address, its terms and the boot answer.
func (r *responder) lease(reply *dhcpv4.DHCPv4, a netip.Addr, n Network, m *dhcpv4.DHCPv4, c boot.Client) boot.Answer {
	reply.YourIPAddr = a.AsSlice()
	reply.UpdateOption(dhcpv4.OptIPAddressLeaseTime(r.Lease))
	reply.UpdateOption(dhcpv4.OptRenewTimeValue(r.Lease / 2))
	reply.UpdateOption(dhcpv4.OptRebindingTimeValue(r.Lease * 7 / 8))
	r.settings(reply, n, m)
	if name := r.leases.Name(c.MAC.String()); name != "" {
		reply.UpdateOption(dhcpv4.OptHostName(name))
	}
	r.head(reply, m, c)
	answer := r.boot(m, c)
	answer.Apply(reply, r.Address.AsSlice())
	return answer
}

// settings are the facts of the network that do not depend on the client.
func (r *responder) settings(reply *dhcpv4.DHCPv4, n Network, m *dhcpv4.DHCPv4) {
	mask := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	p, _ := mask.Prefix(n.Prefix.Bits())
	reply.UpdateOption(dhcpv4.OptSubnetMask(p.Addr().AsSlice()))
	reply.UpdateOption(dhcpv4.OptBroadcastAddress(n.broadcast().AsSlice()))
	if n.Router.IsValid() {
		reply.UpdateOption(dhcpv4.OptRouter(n.Router.AsSlice()))
	} else if relay := address(m.GatewayIPAddr); relay.IsValid() {
		reply.UpdateOption(dhcpv4.OptRouter(relay.AsSlice()))
	}
	if len(r.DNS) > 0 {
		reply.UpdateOption(dhcpv4.OptDNS(ips(r.DNS)...))
	}
	if len(r.NTP) > 0 {
		reply.UpdateOption(dhcpv4.OptNTPServers(ips(r.NTP)...))
	}
	if r.Domain != "" {
		reply.UpdateOption(dhcpv4.OptDomainName(r.Domain))
	}
}

// network is the subnet a request comes from: that of the relay, of the
// address the client has, or the interface's own.
func (r *responder) network(m *dhcpv4.DHCPv4) (Network, bool) {
	if relay := address(m.GatewayIPAddr); relay.IsValid() {
		return r.containing(relay)
	}
	if client := address(m.ClientIPAddr); client.IsValid() {
		if n, ok := r.containing(client); ok {
			return n, true
		}
	}
	if len(r.Networks) == 0 {
		return Network{}, false
	}
	return r.Networks[0], true
}

func (r *responder) containing(a netip.Addr) (Network, bool) {
	for _, n := range r.Networks {
		if n.Prefix.Contains(a) {
			return n, true
		}
	}
	return Network{}, false
}

// foreign warns once about each other server, as two of them on one network
// give nodes now this answer and now that.
func (r *responder) foreign(id netip.Addr, mac string) {
	if id != r.rival {
		r.rival = id
		r.log.Warn("dhcp: a node took the offer of another DHCP server on this network: stop that one, or run orbitd with --proxy", "server", id, "mac", mac)
	}
}
