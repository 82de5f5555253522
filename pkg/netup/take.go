package netup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

// route is a route of the lease: via is zero for a network on the link itself.
type route struct {
	to  netip.Prefix
	via netip.Addr
}

// take makes the offer the machine's network.
func (o *offer) take(ctx context.Context, c Config) (*Network, error) {
	if err := o.configure(); err != nil {
		return nil, err
	}
	if err := o.only(c); err != nil {
		c.Log.Warn("leave one default route", "err", err)
	}
	if err := o.writeResolv(c.Resolv); err != nil {
		c.Log.Warn("write name servers", "err", err)
	}
	if o.v6 { // the router may have advertised itself after the address was usable
		o.Gateway = gateway6(o.links)
	}
	n := o.Network
	work, stop := context.WithCancel(ctx)
	n.stop, n.done = stop, make(chan struct{})
	go func() {
		defer close(n.done)
		if o.lease != nil {
			o.keep(work, c)
		}
	}()
	return &n, nil
}

// configure gives the interface its address, MTU and routes. What IPv6 needs
// of them the kernel has from the router advertisement.
func (o *offer) configure() error {
	if o.MTU != 0 {
		if err := netlink.LinkSetMTU(o.links, o.MTU); err != nil {
			return fmt.Errorf("set MTU of %s to %d: %w", o.Interface, o.MTU, err)
		}
	}
	if o.v6 {
		return nil
	}
	if o.Addr.Addr().Is4() {
		if err := o.dropOther4(); err != nil {
			return err
		}
	}
	if err := netlink.AddrReplace(o.links, &netlink.Addr{IPNet: ipnet(o.Addr)}); err != nil {
		return fmt.Errorf("give %s the address %s: %w", o.Interface, o.Addr, err)
	}
	var errs []error
	for _, r := range o.routes() {
		if err := o.add(r); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// routes are those to set, on-link ones first because others go through them.
func (o *offer) routes() []route {
	var onLink, via []route
	if o.Gateway.IsValid() {
		if !o.Addr.Contains(o.Gateway) && o.Gateway.Is4() {
			onLink = append(onLink, route{netip.PrefixFrom(o.Gateway, o.Gateway.BitLen()), netip.Addr{}})
		}
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if o.Gateway.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		via = append(via, route{everything, o.Gateway})
	}
	for _, r := range o.extra {
		switch {
		case r.to.Bits() == 0 && r.via == o.Gateway:
		case r.via.IsValid():
			via = append(via, r)
		default:
			onLink = append(onLink, r)
		}
	}
	return append(onLink, via...)
}

func (o *offer) add(r route) error {
	n := &netlink.Route{LinkIndex: o.links.Attrs().Index, Dst: ipnet(r.to)}
	if r.via.IsValid() {
		n.Gw = r.via.AsSlice()
	} else {
		n.Scope = netlink.SCOPE_LINK
	}
	if err := netlink.RouteReplace(n); err != nil {
		return fmt.Errorf("route %s via %s on %s: %w", r.to, r.via, o.Interface, err)
	}
	return nil
}

// dropOther4 removes what an earlier lease left on the interface.
func (o *offer) dropOther4() error {
	addrs, err := netlink.AddrList(o.links, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", o.Interface, err)
	}
	want := ipnet(o.Addr)
	for _, a := range addrs {
		if a.IP.Equal(want.IP) && bytes.Equal(a.Mask, want.Mask) {
			continue
		}
		if err := netlink.AddrDel(o.links, &a); err != nil {
			return fmt.Errorf("remove %s from %s: %w", a.IPNet, o.Interface, err)
		}
	}
	return nil
}

// only removes default routes and IPv6 from the interfaces that did not win.
func (o *offer) only(c Config) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range links {
		if l.Attrs().Index == o.links.Attrs().Index || !physical(l) {
			continue
		}
		if l.Attrs().Index != o.links.Attrs().ParentIndex {
			sysctl6(l.Attrs().Name, "disable_ipv6", "1")
		}
		routes, err := netlink.RouteList(l, netlink.FAMILY_V4)
		errs = append(errs, err)
		for _, r := range routes {
			if isDefault(r) {
				errs = append(errs, netlink.RouteDel(&r))
			}
		}
	}
	return errors.Join(errs...)
}

// writeResolv replaces resolv.conf(5) in one step. A network without name
// servers leaves an empty file: no other network's are any good here.
func (o *offer) writeResolv(path string) error {
	var b bytes.Buffer
	for _, s := range o.Search {
		fmt.Fprintf(&b, "search %s\n", s)
	}
	for _, a := range o.DNS {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	next := path + ".new"
	if err := os.WriteFile(next, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func ipnet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
