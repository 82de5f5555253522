package netup

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routerWait is how long an address is not offered for want of a router. Routers
// answer a solicitation within half a second (RFC 4861, 6.2.6), and the kernel
// sends the first one up to a second late, the next 4 s later.
const routerWait = 5 * time.Second

// find6 lets the kernel configure the interface from router advertisements and
// asks for DHCPv6 beside it, once the link-local address has passed duplicate
// detection. It offers every global address that becomes usable, when a router
// has been heard or routerWait is over: the DHCPv6 server may be faster. A
// kernel without IPv6, and a network without it, offer nothing.
func find6(ctx context.Context, link netlink.Link, c Config, found func(*offer, error)) {
	name, index := link.Attrs().Name, link.Attrs().Index
	if err := sysctl6(name, "accept_ra", "2"); err != nil {
		return // no IPv6 in this kernel
	}
	sysctl6(name, "disable_ipv6", "0")
	addrs, done := make(chan netlink.AddrUpdate), make(chan struct{})
	if err := netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{ListExisting: true}); err != nil {
		found(nil, fmt.Errorf("watch addresses of %s: %w", name, err))
		return
	}
	updates := make(chan netlink.AddrUpdate)
	relayed := make(chan struct{})
	go func() { relay(ctx, addrs, updates, done); close(relayed) }()
	defer func() { <-relayed }()

	routes, routesDone := make(chan netlink.RouteUpdate), make(chan struct{})
	if err := netlink.RouteSubscribe(routes, routesDone); err != nil {
		found(nil, fmt.Errorf("watch routes of %s: %w", name, err))
		return
	}
	changes := make(chan netlink.RouteUpdate)
	rerouted := make(chan struct{})
	go func() { relay(ctx, routes, changes, routesDone); close(rerouted) }()
	defer func() { <-rerouted }()

	replies := make(chan *dhcpv6.Message, 1)
	asking := make(chan struct{})
	started := false
	defer func() {
		if started {
			<-asking
		}
	}()
	o := &offer{v6: true}
	var waited <-chan time.Time // for a router
	alone := false              // long enough: there may be none
	tell := func() {
		if !o.Addr.IsValid() {
			return
		}
		seen := *o
		seen.Gateway = gateway6(link)
		if !seen.Gateway.IsValid() && !alone {
			if waited == nil {
				timer := time.NewTimer(routerWait)
				context.AfterFunc(ctx, func() { timer.Stop() })
				waited = timer.C
			}
			return
		}
		found(&seen, nil)
	}
	for {
		select {
		case u, ok := <-updates:
			if !ok {
				return
			}
			addr, usable := address6(u, index)
			switch {
			case !usable:
			case addr.Addr().IsLinkLocalUnicast():
				if !started {
					started = true
					go func() { defer close(asking); solicit(ctx, link, c, replies) }()
				}
			case addr != o.Addr:
				o.Addr = addr
				tell()
			}
		case r, ok := <-changes:
			if !ok {
				return
			}
			if r.Type == unix.RTM_NEWROUTE && r.LinkIndex == index && isDefault(r.Route) {
				tell()
			}
		case <-waited:
			alone = true
			tell()
		case m := <-replies:
			o.DNS = ips(m.Options.DNS())
			if labels := m.Options.DomainSearchList(); labels != nil {
				o.Search = labels.Labels
			}
			tell()
		}
	}
}

// address6 is the IPv6 address of an update that programs can use now.
func address6(u netlink.AddrUpdate, index int) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(u.LinkAddress.IP)
	if !ok || !a.Is6() || a.Is4In6() || u.LinkIndex != index || !u.NewAddr {
		return netip.Prefix{}, false
	}
	if u.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
		return netip.Prefix{}, false
	}
	bits, _ := u.LinkAddress.Mask.Size()
	return netip.PrefixFrom(a, bits), true
}

// solicit asks for an address, name servers and domains until it has them,
// and gives the address to the kernel. The DUID is made of the MAC alone, so
// that a node without storage is the same client at every boot.
func solicit(ctx context.Context, link netlink.Link, c Config, replies chan<- *dhcpv6.Message) {
	mac := link.Attrs().HardwareAddr
	id := dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac})
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, 30*time.Second) {
		m, err := solicitOnce(ctx, link, id, pause)
		if err != nil {
			c.Log.Debug("no DHCPv6", "interface", link.Attrs().Name, "err", err)
			continue
		}
		replies <- m // has room for the only one
		return
	}
}

func solicitOnce(ctx context.Context, link netlink.Link, id dhcpv6.Modifier, d time.Duration) (*dhcpv6.Message, error) {
	client, err := nclient6.New(link.Attrs().Name, nclient6.WithTimeout(d), nclient6.WithRetry(1))
	if err != nil {
		sleep(ctx, d)
		return nil, err
	}
	defer client.Close()
	m, err := client.RapidSolicit(ctx, id)
	if err != nil {
		return nil, err
	}
	ia := m.Options.OneIANA()
	if ia == nil || ia.Options.OneAddress() == nil {
		sleep(ctx, d)
		return nil, fmt.Errorf("DHCPv6 reply without an address")
	}
	a := ia.Options.OneAddress()
	return m, netlink.AddrReplace(link, &netlink.Addr{
		IPNet:       &net.IPNet{IP: a.IPv6Addr, Mask: net.CIDRMask(128, 128)},
		ValidLft:    seconds(a.ValidLifetime),
		PreferedLft: seconds(a.PreferredLifetime),
	})
}

func seconds(d time.Duration) int {
	if d >= 1<<32*time.Second-time.Second { // infinity
		return 0
	}
	return int(d.Seconds())
}

// gateway6 is the default router that an advertisement named.
func gateway6(link netlink.Link) netip.Addr {
	routes, err := netlink.RouteList(link, netlink.FAMILY_V6)
	if err != nil {
		return netip.Addr{}
	}
	for _, r := range routes {
		if r.Gw != nil && isDefault(r) {
			a, _ := netip.AddrFromSlice(r.Gw)
			return a
		}
	}
	return netip.Addr{}
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	bits, _ := r.Dst.Mask.Size()
	return bits == 0
}
