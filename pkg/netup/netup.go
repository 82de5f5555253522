// Package netup brings a node's network up: every Ethernet link at once,
// DHCPv4 (RFC 2131, 2132, 3442), IPv6 by router advertisement and DHCPv6
// (RFC 4862, 8415) in parallel on every link with carrier, or a fixed address.
//
// One interface wins. The one the firmware booted from is preferred; a lease
// on another has to wait a while for it. Nothing is polled: links and
// addresses are watched through netlink, and a DISCOVER is repeated every few
// seconds for as long as the caller is patient, because a switch port in
// spanning tree drops everything for up to 50 s after carrier.
package netup

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Config says what is wanted of the network.
type Config struct {
	BootMAC  string        // preferred interface, lower case with colons; "" = none
	VLAN     int           // 802.1Q tag to use on every interface, 0 = untagged
	IP       string        // ip= of the kernel command line, "" = DHCP
	Patience time.Duration // to wait for an answer, counted from the last carrier; 0 = 60 s
	Class    string        // DHCP vendor class, "" = "orbit"
	Resolv   string        // where name servers are written, "" = /etc/resolv.conf
	Log      *slog.Logger
	Note     func(string) // why it waits, for people; may be nil
}

// Network is the network of the interface that won.
type Network struct {
	Interface string
	MAC       string       // lower case, colons
	Addr      netip.Prefix // with the length of the subnet
	Gateway   netip.Addr   // zero if there is none
	DNS       []netip.Addr
	NTP       []netip.Addr
	Search    []string // domains
	Hostname  string   // as the server calls this machine, "" if it does not
	Server    netip.Addr
	Head      string        // base URL of the head, if the lease names it (option 224)
	MTU       int           // 0 = the interface's own
	Lease     time.Duration // 0 = for ever

	stop context.CancelFunc
	done chan struct{}
}

// String is the network in a line for people.
func (n *Network) String() string {
	s := fmt.Sprintf("%s %s", n.Interface, n.Addr)
	if n.Gateway.IsValid() {
		s += " gateway " + n.Gateway.String()
	}
	if len(n.DNS) > 0 {
		s += " dns " + list(n.DNS)
	}
	if n.Server.IsValid() {
		s += " from " + n.Server.String()
	}
	return s
}

// Down ends the renewal of the lease. Addresses stay as they are.
func (n *Network) Down() {
	if n.stop == nil { // not from Up
		return
	}
	n.stop()
	<-n.done
}

// Up brings the network up. When nobody answers in time the error is a
// *NoAnswerError, which tells the state of every interface. The Network that
// is returned keeps its lease alive until Down.
func Up(ctx context.Context, c Config) (*Network, error) {
	c.defaults()
	fixed, err := parseIP(c.IP)
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	u := &search{Config: c, fixed: fixed, ports: map[int]*port{}, answers: make(chan answer), began: time.Now()}
	won, err := u.run(work)
	stop()
	u.wait() // nothing but the winner's renewal outlives this call
	if err != nil {
		return nil, err
	}
	return won.take(ctx, c)
}

func (c *Config) defaults() {
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Class == "" {
		c.Class = "orbit"
	}
	if c.Resolv == "" {
		c.Resolv = "/etc/resolv.conf"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	c.BootMAC = strings.ToLower(c.BootMAC)
}

// NoAnswerError says that no interface got an address in time.
type NoAnswerError struct {
	Waited     time.Duration
	Interfaces []string // the state of each in words
}

func (e *NoAnswerError) Error() string {
	if len(e.Interfaces) == 0 {
		return fmt.Sprintf("bring network up: no Ethernet interface found in %v (driver missing in the kernel? see dmesg and inventory)", e.Waited.Round(time.Second))
	}
	return fmt.Sprintf("bring network up: no address after %v: %s", e.Waited.Round(time.Second), strings.Join(e.Interfaces, "; "))
}

func list[T fmt.Stringer](all []T) string {
	var s []string
	for _, v := range all {
		s = append(s, v.String())
	}
	return strings.Join(s, ",")
}
