package netup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

// lease4 is what a DHCPv4 server granted, and what is needed to renew it.
type lease4 struct {
	ack   *dhcpv4.DHCPv4
	at    time.Time
	class string
}

// find4 asks for a lease until it has one or ctx ends.
func find4(ctx context.Context, link netlink.Link, c Config, found func(*offer, error)) {
	for ctx.Err() == nil {
		l, err := discover(ctx, link, c)
		switch {
		case l != nil:
			o, err := l.offer()
			if err == nil {
				found(o, nil)
				return
			}
			found(nil, err)
			sleep(ctx, 5*time.Second)
		case err != nil && ctx.Err() == nil:
			found(nil, err)
			sleep(ctx, 2*time.Second)
		}
	}
}

// discover sends the same DISCOVER again and again: the first answer may take
// longer than one interval, because servers probe an address before they offer
// it. After a while it returns nothing, and the caller starts afresh.
func discover(ctx context.Context, link netlink.Link, c Config) (*lease4, error) {
	name, mac := link.Attrs().Name, link.Attrs().HardwareAddr
	client, err := nclient4.New(name, nclient4.WithHWAddr(mac), nclient4.WithTimeout(time.Hour), nclient4.WithRetry(1))
	if err != nil {
		return nil, fmt.Errorf("open DHCP socket on %s: %w", name, err)
	}
	defer client.Close()
	hello, err := dhcpv4.NewDiscovery(mac, say(mac, c.Class)...)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for pause := time.Second; time.Since(began) < 30*time.Second; pause = min(2*pause, 4*time.Second) {
		hello.NumSeconds = uint16(time.Since(began).Seconds())
		answer, err := ask(ctx, client, hello, pause, usable)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue
		}
		request, err := dhcpv4.NewRequestFromOffer(answer, say(mac, c.Class)...)
		if err != nil {
			return nil, err
		}
		ack, err := ask(ctx, client, request, 4*time.Second, reply)
		if err != nil {
			continue
		}
		if ack.MessageType() == dhcpv4.MessageTypeNak {
			return nil, fmt.Errorf("DHCP server %s refused the address it had offered: %s", answer.ServerIdentifier(), ack.Message())
		}
		c.Log.Info("DHCP lease", "interface", name, "address", ack.YourIPAddr, "server", ack.ServerIdentifier())
		return &lease4{ack: ack, at: time.Now(), class: c.Class}, nil
	}
	return nil, nil
}

// ask sends a message and waits for the answer, with a little jitter so that
// a room of machines does not ask in step.
func ask(ctx context.Context, client *nclient4.Client, m *dhcpv4.DHCPv4, d time.Duration, match nclient4.Matcher) (*dhcpv4.DHCPv4, error) {
	ctx, cancel := context.WithTimeout(ctx, d+rand.N(d/4))
	defer cancel()
	answer, err := client.SendAndRead(ctx, client.RemoteAddr(), m, match)
	if err != nil && ctx.Err() == nil { // the link went down under the socket
		sleep(ctx, d)
	}
	return answer, err
}

// usable is an offer of an address; a proxyDHCP server's has none.
func usable(m *dhcpv4.DHCPv4) bool {
	return m.MessageType() == dhcpv4.MessageTypeOffer && !m.YourIPAddr.IsUnspecified() && m.ServerIdentifier() != nil
}

func reply(m *dhcpv4.DHCPv4) bool {
	return m.MessageType() == dhcpv4.MessageTypeAck || m.MessageType() == dhcpv4.MessageTypeNak
}

// say is what every message of ours carries. The client identifier is 01 and
// the MAC, as most firmware sends it, so that the node keeps its address.
func say(mac net.HardwareAddr, class string) []dhcpv4.Modifier {
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{1}, mac...))),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier(class)),
		dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(1500)),
		dhcpv4.WithRequestedOptions(
			dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName,
			dhcpv4.OptionDomainName, dhcpv4.OptionInterfaceMTU, dhcpv4.OptionNTPServers, dhcpv4.OptionIPAddressLeaseTime,
			dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue, dhcpv4.OptionClasslessStaticRoute,
			dhcpv4.OptionDNSDomainSearchList, optionHead,
		),
	}
}

// offer reads the acknowledgement as a network.
func (l *lease4) offer() (*offer, error) {
	addr, ok := ip4(l.ack.YourIPAddr)
	if !ok {
		return nil, errors.New("DHCP server acknowledged no address")
	}
	mask := l.ack.SubnetMask()
	bits, size := mask.Size()
	if size != 32 || bits == 0 { // none, or one with holes: the class of the address
		bits, _ = l.ack.YourIPAddr.DefaultMask().Size()
	}
	o := &offer{lease: l}
	o.Addr = netip.PrefixFrom(addr, bits)
	o.Lease = l.ack.IPAddressLeaseTime(0)
	if uint32(o.Lease.Seconds()) == 0xffffffff {
		o.Lease = 0
	}
	if r := l.ack.Router(); len(r) > 0 {
		o.Gateway, _ = ip4(r[0])
	}
	for _, r := range l.ack.ClasslessStaticRoute() { // RFC 3442: then routers do not count
		o.Gateway = netip.Addr{}
		to, via := prefix(r.Dest), netip.Addr{}
		if a, ok := ip4(r.Router); ok && !a.IsUnspecified() {
			via = a
		}
		if to.IsValid() {
			o.extra = append(o.extra, route{to, via})
		}
	}
	for _, r := range o.extra {
		if r.to.Bits() == 0 {
			o.Gateway = r.via
		}
	}
	o.DNS, o.NTP = ips(l.ack.DNS()), ips(l.ack.NTPServers())
	o.Hostname, o.Head = l.ack.HostName(), headOf(l.ack)
	if labels := l.ack.DomainSearch(); labels != nil {
		o.Search = labels.Labels
	} else if d := l.ack.DomainName(); d != "" {
		o.Search = []string{d}
	}
	o.Server, _ = ip4(l.ack.ServerIdentifier())
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, l.ack.Options); err == nil && mtu >= 576 { // RFC 2132: at least 68; below 576 nothing works
		o.MTU = int(mtu)
	}
	return o, nil
}

// times are when to renew from the server and when from anyone, after the
// lease was granted (RFC 2131, 4.4.5).
func (l *lease4) times() (t1, t2, end time.Duration) {
	end = l.ack.IPAddressLeaseTime(0)
	t1 = l.ack.IPAddressRenewalTime(end / 2)
	t2 = l.ack.IPAddressRebindingTime(end * 7 / 8)
	return t1, t2, end
}

func ip4(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip.To4())
	return a, ok && !a.IsUnspecified()
}

func ips(all []net.IP) []netip.Addr {
	var out []netip.Addr
	for _, ip := range all {
		if a, ok := netip.AddrFromSlice(ip); ok && !a.IsUnspecified() {
			out = append(out, a.Unmap())
		}
	}
	return out
}

func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if !ok || size == 0 {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a.Unmap(), bits)
}

// sleep waits out a back-off, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
