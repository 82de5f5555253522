package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/head"
	"github.com/orbit-pxe/orbit/pkg/head/client"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// multicastFlags are those of serve about multicast and frisbee's own clients.
func multicastFlags(flags *flag.FlagSet, c *head.Config) {
	m := &c.Multicast
	flags.BoolVar(&c.NoMulticast, "no-multicast", false, "send images by HTTP only")
	flags.Func("multicast-group", fmt.Sprintf("groups for multicast sessions to choose from, a `prefix` of 224.0.0.0/4 (default %s)", sessions.DefaultGroups()),
		func(s string) (err error) { m.Groups, err = groups(s); return err })
	flags.Func("multicast-ports", fmt.Sprintf("UDP ports to choose from, `FIRST-LAST` (default %d-%d)", sessions.DefaultFirst, sessions.DefaultLast),
		func(s string) (err error) { m.First, m.Last, err = ports(s); return err })
	flags.Func("multicast-rate", "most that a session sends, in `bit/s` such as 400M (default: what the interface can)",
		func(s string) (err error) { m.MaxRate, err = units.ParseBits(s); return err })
	flags.Float64Var(&m.Share, "multicast-share", 0.9, "`share` of the nodes that a session waits for; slower ones fetch the image by HTTP")
	flags.IntVar(&m.TTL, "multicast-ttl", 5, "`hops` that multicast may go: 1 keeps it on its own network")
	flags.IntVar(&m.Most, "multicast-sessions", sessions.DefaultMost, "most `sessions` at a time")
	flags.DurationVar(&m.Idle, "multicast-idle", sessions.DefaultIdle, "end a session after a `duration` in which no node wanted anything")
	flags.Func("frisbee-master", fmt.Sprintf("be a master server for the frisbee clients of Emulab at `ADDRESS:PORT`, as :%d (the interface's address; default: be none)", wire.MasterPort),
		func(s string) (err error) { c.Frisbee, err = masterAddr(s); return err })
	flags.BoolVar(&c.FrisbeeUploads, "frisbee-upload", false, "the master server takes new .ndz images from any host on the network")
}

func checkMulticast(c head.Config) error {
	switch {
	case c.Multicast.Share <= 0:
		return usageError{errors.New("--multicast-share: want more than 0, and 1 at most")}
	case c.Multicast.TTL < 1:
		return usageError{errors.New("--multicast-ttl: want 1 to 255")}
	case c.FrisbeeUploads && c.Frisbee.Port() == 0:
		return usageError{errors.New("--frisbee-upload is for --frisbee-master")}
	case c.NoMulticast && c.Frisbee.Port() != 0:
		return usageError{errors.New("--frisbee-master sends by multicast, which --no-multicast excludes")}
	}
	if err := c.Multicast.Check(); err != nil {
		return usageError{err}
	}
	return nil
}

// groups reads a prefix, or one group.
func groups(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is not a prefix such as 239.192.0.0/16", text)
	}
	return p, nil
}

// ports reads FIRST-LAST, or one port.
func ports(text string) (first, last uint16, err error) {
	a, b, two := strings.Cut(text, "-")
	if !two {
		b = a
	}
	x, err := strconv.ParseUint(a, 10, 16)
	y, err2 := strconv.ParseUint(b, 10, 16)
	if err != nil || err2 != nil || x == 0 || y < x {
		return 0, 0, fmt.Errorf("%q is not FIRST-LAST, of ports 1 to 65535", text)
	}
	return uint16(x), uint16(y), nil
}

// masterAddr reads an address and a port, either of which may be left out.
func masterAddr(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		text = netip.AddrPortFrom(a, wire.MasterPort).String()
	}
	if p, ok := strings.CutPrefix(text, ":"); ok {
		n, err := strconv.ParseUint(p, 10, 16)
		if err == nil && n > 0 {
			return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
		}
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || !a.Addr().Is4() || a.Port() == 0 {
		return a, fmt.Errorf("%q is not an IPv4 ADDRESS:PORT, ADDRESS or :PORT", text)
	}
	return a, nil
}

// multicasts lists the multicast sessions of a head.
func multicasts(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	return list("multicast", stdout, stderr, args, nil, func(c client.Client) (any, func() error, error) {
		all, err := c.Sessions(ctx)
		return all, func() error { return sessionTable(stdout, all, time.Now()) }, err
	})
}

// sessionTable prints one line per session.
func sessionTable(w io.Writer, list []api.Session, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "nothing is sent by multicast")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tSIZE\tPEER\tINTERFACE\tNODES\tSENT\tRATE\tLOST\tSINCE")
	for _, s := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d of %d\t%s\t%d Mbit/s\t%d\t%s\n", s.Image, units.Bytes(s.Size), s.Peer, s.Interface,
			s.Clients, s.Joined, units.Bytes(int64(s.Bytes)), s.Rate/1e6, s.Lost, seen(s.Since, now))
	}
	return t.Flush()
}
