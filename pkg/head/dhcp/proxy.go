package dhcp

import (
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
)

// proxy offers something to boot, and no address, to firmware that looks for
// a server.
func (r *responder) proxy(m *dhcpv4.DHCPv4, c boot.Client) *dhcpv4.DHCPv4 {
	if m.MessageType() != dhcpv4.MessageTypeDiscover {
		return nil
	}
	return r.bootOnly(m, c, dhcpv4.MessageTypeOffer)
}

// binl is the second question of firmware that was offered something to boot:
// on port 4011, once it has an address from elsewhere.
func (r *responder) binl(m *dhcpv4.DHCPv4, c boot.Client) *dhcpv4.DHCPv4 {
	switch m.MessageType() {
	case dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform:
		return r.bootOnly(m, c, dhcpv4.MessageTypeAck)
	}
	return nil
}

func (r *responder) bootOnly(m *dhcpv4.DHCPv4, c boot.Client, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	answer := r.boot(m, c)
	if answer.None() {
		return nil
	}
	reply := r.start(m, t)
	if reply == nil {
		return nil
	}
	reply.ClientIPAddr = m.ClientIPAddr
	answer.ApplyProxy(reply, c, r.Address.AsSlice())
	r.log.Info("dhcp: boot answer beside another server", "mac", c.MAC.String(), "client", c.Kind, "message", t, "boot", answer.File)
	return reply
}
