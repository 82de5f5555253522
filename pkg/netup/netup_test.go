package netup

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
)

func addrs(s ...string) []netip.Addr {
	var all []netip.Addr
	for _, a := range s {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// noSeconds makes messages comparable on a machine of any speed.
func noSeconds(s string) string {
	return regexp.MustCompile(`for \d+ s`).ReplaceAllString(s, "for N s")
}

func TestLease(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.dnsmasq("a", pool(1), "--dhcp-host="+macA+",10.77.1.50,node7",
		"--dhcp-option=option:dns-server,10.77.1.2,10.77.1.3", "--dhcp-option=option:ntp-server,10.77.1.4",
		"--dhcp-option=option:mtu,1400", "--domain=rack.example")
	c := config(t)
	got := up(t, c)
	want := &Network{
		Interface: "a", MAC: macA, Addr: netip.MustParsePrefix("10.77.1.50/24"), Gateway: netip.MustParseAddr("10.77.1.1"),
		DNS: addrs("10.77.1.2", "10.77.1.3"), NTP: addrs("10.77.1.4"), Search: []string{"rack.example"}, Hostname: "node7",
		Server: netip.MustParseAddr("10.77.1.1"), MTU: 1400, Lease: 10 * time.Minute,
	}
	equal := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, equal, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.IgnoreUnexported(Network{})); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
	if got, want := ip(t, "-4", "route", "show", "default"), "default via 10.77.1.1 dev a"; !strings.HasPrefix(got, want) {
		t.Errorf("default route is %q, want %q", got, want)
	}
	if got := ip(t, "link", "show", "dev", "a"); !strings.Contains(got, "mtu 1400") {
		t.Errorf("MTU not set: %s", got)
	}
	resolv, err := os.ReadFile(c.Resolv)
	if diff := cmp.Diff("search rack.example\nnameserver 10.77.1.2\nnameserver 10.77.1.3\n", string(resolv)); diff != "" {
		t.Errorf("resolv.conf (%v, -want +got):\n%s", err, diff)
	}
}

func TestIdentity(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	// Only this client identifier and class get an address.
	l.dnsmasq("a", pool(1), "--dhcp-host=id:01:"+macA+",10.77.1.60", "--dhcp-vendorclass=set:orbit,orbit", "--dhcp-ignore=tag:!orbit")
	if got, want := up(t, config(t)).Addr.String(), "10.77.1.60/24"; got != want {
		t.Errorf("address %s, want %s", got, want)
	}
}

func TestClasslessRoutes(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.dnsmasq("a", pool(1), "--dhcp-option=option:router,10.77.1.9",
		"--dhcp-option=option:classless-static-route,10.99.0.0/16,10.77.1.7,0.0.0.0/0,10.77.1.8")
	n := up(t, config(t))
	if got, want := n.Gateway.String(), "10.77.1.8"; got != want {
		t.Errorf("gateway %s, want %s: option 121 outweighs option 3", got, want)
	}
	if got := ip(t, "-4", "route", "show", "10.99.0.0/16"); !strings.Contains(got, "via 10.77.1.7") {
		t.Errorf("route to 10.99.0.0/16 is %q", got)
	}
}

func TestBootInterfaceWins(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.wire("b", macB, subnet(2))
	l.dnsmasq("a", pool(1))
	c := config(t)
	c.BootMAC, c.Patience = strings.ToUpper(macB), 30*time.Second
	// The server of the boot interface comes up when the other has answered.
	c.Log = onLog(t, func() { l.dnsmasq("b", pool(2)) }, "DHCP lease", "interface=a")
	if n := up(t, c); n.Interface != "b" {
		t.Errorf("%s won, want the boot interface b", n)
	}
	if got := ip(t, "-4", "-o", "addr", "show", "dev", "a"); got != "" {
		t.Errorf("the interface that lost has an address: %s", got)
	}
}

func TestOtherInterfaceAfterGrace(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.wire("b", macB, subnet(2))
	l.dnsmasq("a", pool(1))
	c := config(t)
	c.BootMAC, c.Patience = macB, 4*time.Second
	began := time.Now()
	if n := up(t, c); n.Interface != "a" {
		t.Errorf("%s won, want a: nobody answers on the boot interface", n)
	}
	if waited := time.Since(began); waited < 2*time.Second {
		t.Errorf("took a after %v, want half the patience for the boot interface", waited)
	}
}

func TestCarrierComesLate(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA) // the far end is down
	l.there("ip", "addr", "add", subnet(1), "dev", "s-a")
	l.dnsmasq("a", pool(1))
	c := config(t)
	var notes []string
	c.Note = func(s string) {
		notes = append(notes, s)
		l.there("ip", "link", "set", "s-a", "up")
	}
	up(t, c)
	if len(notes) == 0 || !strings.Contains(notes[0], "a: no carrier") {
		t.Errorf("notes were %q, want the missing carrier named", notes)
	}
}

func TestServerComesLate(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	c := config(t)
	var once sync.Once
	var first string
	c.Note = func(s string) {
		once.Do(func() { first = s; l.dnsmasq("a", pool(1)) })
	}
	began := time.Now()
	up(t, c)
	if want := "a: carrier, no DHCP answer for N s (spanning tree? up to 1m0s)"; !strings.Contains(noSeconds(first), want) {
		t.Errorf("note %q, want %q in it", first, want)
	}
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("lease after %v; the server was there after 3 s", took)
	}
}

func TestNobodyAnswers(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.wire("b", macB)
	c := config(t)
	c.Patience, c.BootMAC = 2*time.Second, macA
	_, err := Up(context.Background(), c)
	var none *NoAnswerError
	if !errors.As(err, &none) {
		t.Fatalf("error is %v, want a *NoAnswerError", err)
	}
	want := []string{
		"a (boot interface): carrier, no DHCP answer for N s (spanning tree? up to 2s)",
		"b: no carrier (cable? switch port off?)",
	}
	for i := range none.Interfaces {
		none.Interfaces[i] = noSeconds(none.Interfaces[i])
	}
	if diff := cmp.Diff(want, none.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
}

func TestNoInterface(t *testing.T) {
	if !inside(t) {
		return
	}
	c := config(t)
	c.Patience = 100 * time.Millisecond
	if _, err := Up(context.Background(), c); err == nil || !strings.Contains(err.Error(), "no Ethernet interface found") {
		t.Errorf("error is %v", err)
	}
}

func TestVLAN(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, "10.77.9.1/24")
	if out, err := exec.Command("nsenter", "-t", l.pid, "-n", "ip", "link", "add", "link", "s-a", "name", "s-v", "type", "vlan", "id", "7").CombinedOutput(); err != nil {
		t.Skipf("this kernel makes no VLAN interfaces: %s", out)
	}
	l.there("ip", "addr", "add", subnet(1), "dev", "s-v")
	l.there("ip", "link", "set", "s-v", "up")
	l.dnsmasq("v", pool(1))
	c := config(t)
	c.VLAN, c.BootMAC = 7, macA
	if n := up(t, c); n.Interface != "a.7" || n.Addr.Bits() != 24 {
		t.Errorf("network is %s, want it on a.7", n)
	}
}

func TestIPv6Alone(t *testing.T) {
	if !inside(t) {
		return
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("this kernel has no IPv6")
	}
	l := newLab(t)
	l.wire("a", macA, "fd77::1/64")
	l.dnsmasq("a", "--dhcp-range=fd77::100,fd77::1ff,64,10m", "--enable-ra", "--dhcp-option=option6:dns-server,[fd77::53]")
	c := config(t)
	c.Patience = 12 * time.Second
	n := up(t, c)
	if !netip.MustParsePrefix("fd77::100/120").Contains(n.Addr.Addr()) {
		t.Errorf("address %s is not from the DHCPv6 range", n.Addr)
	}
	if !n.Gateway.IsLinkLocalUnicast() {
		t.Errorf("gateway is %s, want the router's link-local address", n.Gateway)
	}
	if diff := cmp.Diff([]string{"fd77::53"}, strings.Split(list(n.DNS), ",")); diff != "" {
		t.Errorf("DNS (-want +got):\n%s", diff)
	}
}

func TestFixedAddress(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.wire("b", macB, subnet(2))
	c := config(t)
	c.IP = "10.77.2.20::10.77.2.1:255.255.255.0:node:b:none:10.77.2.2"
	n := up(t, c)
	if got, want := n.String(), "b 10.77.2.20/24 gateway 10.77.2.1 dns 10.77.2.2"; got != want {
		t.Errorf("network is %q, want %q", got, want)
	}
	if got := ip(t, "-4", "route", "show", "default"); !strings.HasPrefix(got, "default via 10.77.2.1 dev b") {
		t.Errorf("default route is %q", got)
	}
}

// TestRenew shortens a lease and watches the server until both ways of
// renewal have been used.
func TestRenew(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	server := l.dnsmasq("a", pool(1))
	ip(t, "link", "set", "dev", "a", "up")
	link, err := netlink.LinkByName("a")
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.defaults()
	found := make(chan *offer, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	find4(ctx, link, c, func(o *offer, err error) { found <- o })
	o := <-found
	o.Interface, o.links = "a", link
	if err := o.configure(); err != nil {
		t.Fatal(err)
	}
	await(t, server, "DHCPACK", "10.77.1.")
	for name, dial := range map[string]func(*lease4) (int, error){
		"unicast": func(l *lease4) (int, error) {
			next, err := l.renew(ctx, o, time.Now().Add(10*time.Second), o.unicast)
			return int(next.ack.IPAddressLeaseTime(0).Seconds()), err
		},
		"broadcast": func(l *lease4) (int, error) {
			next, err := l.renew(ctx, o, time.Now().Add(10*time.Second), o.broadcast)
			return int(next.ack.IPAddressLeaseTime(0).Seconds()), err
		},
	} {
		if secs, err := dial(o.lease); err != nil || secs != 600 {
			t.Errorf("%s renewal: lease of %d s, error %v", name, secs, err)
		}
		await(t, server, "DHCPACK", "10.77.1.")
	}
	o.lease.ack.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRenewTimeValue, []byte{0, 0, 0, 1}))
	kept := make(chan struct{})
	background, stop := context.WithCancel(ctx)
	go func() { defer close(kept); o.keep(background, c) }()
	await(t, server, "DHCPREQUEST", "10.77.1.")
	await(t, server, "DHCPACK", "10.77.1.")
	stop()
	<-kept
}
